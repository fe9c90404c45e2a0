"""From the authors' original PyTorch code: what the documentation says about arguments, differences and checkpoints."""

from typing import Any

import numpy as np
import pytest
import torch

from indian_core import phase_step, velocity_from_phase
from indian_torch import INDIAN, PowerDecayLR

LR, ALPHA, BETA = 0.1, 0.5, 0.1
"""The defaults of the original code."""


def gradient_at(theta: Any, k: int) -> Any:
    return 3 * theta + k % 4 - 1


def original(
    theta: np.ndarray, steps: int, lr: float = LR, decaypower: float = 0.0, weight_decay: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """θ and ψ after some steps of the original code: it starts at rest, and decays within the step."""
    phase = (1 - ALPHA * BETA) * theta
    for k in range(steps):
        step_size = lr / (1 + k) ** decaypower
        next_theta, phase = phase_step(theta, phase, gradient_at(theta, k), step_size, ALPHA, BETA)
        theta = next_theta - step_size * weight_decay * theta
    return theta, phase


def train(param: torch.Tensor, optimizer: INDIAN, steps: range, scheduler: Any = None) -> np.ndarray:
    for k in steps:
        param.grad = gradient_at(param, k)
        optimizer.step()
        if scheduler:
            scheduler.step()
    return param.numpy()


@pytest.fixture
def param() -> torch.Tensor:
    return torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)


@pytest.mark.parametrize("decaypower", [0.0, 0.25, 0.5])
def test_same_trajectory_from_rest(param: torch.Tensor, decaypower: float) -> None:
    expected, phase = original(param.numpy().copy(), 30, decaypower=decaypower)
    optimizer = INDIAN([param], lr=LR, alpha=ALPHA, beta=BETA, initial_speed=BETA)
    actual = train(param, optimizer, range(30), PowerDecayLR(optimizer, power=decaypower))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(optimizer.phase(param).numpy(), phase, rtol=0, atol=1e-13)


@pytest.mark.parametrize("lr", [0.1, 0.05])
def test_weight_decay_differs_by_a_term_of_second_order(param: torch.Tensor, lr: float) -> None:
    weight_decay, start = 0.5, param.numpy().copy()
    expected, _ = original(start, 1, lr=lr, weight_decay=weight_decay)
    optimizer = INDIAN([param], lr=lr, alpha=ALPHA, beta=BETA, initial_speed=BETA, weight_decay=weight_decay)
    difference = train(param, optimizer, range(1)) - expected
    np.testing.assert_allclose(difference, -(lr**2) * weight_decay * (1 / BETA - ALPHA) * start, rtol=1e-10)


def test_training_goes_on_from_an_original_checkpoint(param: torch.Tensor) -> None:
    start = param.numpy().copy()
    theta, phase = (torch.from_numpy(array) for array in original(start, 10))
    optimizer = INDIAN([param.copy_(theta)], lr=LR, alpha=ALPHA, beta=BETA, initial_speed=BETA)
    velocity = velocity_from_phase(theta, phase, ALPHA, BETA)
    state = {0: {"step": torch.tensor(10.0), "velocity": velocity}}
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    np.testing.assert_allclose(train(param, optimizer, range(10, 30)), original(start, 30)[0], rtol=0, atol=1e-13)
