"""Runs of the PyTorch optimizer next to the phase form in NumPy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from indian_core.hyperparameters import RANGES
from indian_core.reference import PhaseForm
from indian_torch import INDIAN
from tests.torch.implementations import IMPLEMENTATIONS


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The flags that choose how the step is computed."""
    return IMPLEMENTATIONS[request.param]


def gradient_at(theta: np.ndarray, k: int) -> np.ndarray:
    """A smooth gradient with noise of its own for each step."""
    noise = np.sin(k + np.arange(theta.size)).reshape(theta.shape)
    return np.asarray(3 * theta + np.sin(theta) + noise)


@pytest.fixture
def take_step() -> Callable[..., None]:
    """Takes step k of an optimizer, with a gradient for those parameters for which ``active`` is true."""

    def take(optimizer: torch.optim.Optimizer, k: int, active: Callable[[torch.Tensor], bool] = lambda p: True) -> None:
        for group in optimizer.param_groups:
            for param in group["params"]:
                param.grad = None
                if active(param):
                    param.grad = torch.as_tensor(gradient_at(in_double(param), k)).to(param.dtype)
        optimizer.step()

    return take


@pytest.fixture
def assert_follows_reference(take_step: Callable[..., None]) -> Callable[..., None]:
    """Runs an optimizer, and the phase form with each group's hyperparameters, and compares θ and ψ at every step."""

    def follow(optimizer: INDIAN, *, steps: int = 40, tolerance: float = 1e-12) -> None:
        references = {param: reference_of(param, group) for param, group in pairs(optimizer)}
        for k in range(steps):
            take_step(optimizer, k)
            for param, group in pairs(optimizer):
                reference = references[param]
                reference.step(gradient_at(reference.theta, k), float(group["lr"]))
                assert_close(param, reference.theta, tolerance)
                assert reference.phase is not None
                assert_close(optimizer.phase(param), reference.phase, tolerance)

    return follow


def pairs(optimizer: torch.optim.Optimizer) -> Sequence[tuple[torch.Tensor, dict[str, Any]]]:
    return [(param, group) for group in optimizer.param_groups for param in group["params"]]


def reference_of(param: torch.Tensor, group: dict[str, Any]) -> PhaseForm:
    numbers = {name: group[name] for name in RANGES if name in group and name != "lr"}
    numbers = {name: None if value is None else float(value) for name, value in numbers.items()}
    return PhaseForm(in_double(param), **numbers, norm=group["norm"])


def assert_close(actual: torch.Tensor, expected: np.ndarray, tolerance: float) -> None:
    assert actual.shape == expected.shape
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(in_double(actual), expected, rtol=0, atol=tolerance * scale)


def in_double(tensor: torch.Tensor) -> np.ndarray:
    """As float64, or complex128: NumPy has no bfloat16."""
    return tensor.detach().to(torch.promote_types(tensor.dtype, torch.float64)).numpy()
