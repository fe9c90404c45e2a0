"""Optimizers in the middle of a run, and what an error must leave as it was."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from indian_torch import INDIAN, TrustRegion


def start(flags: dict[str, Any], *shapes: tuple[int, ...]) -> INDIAN:
    """In two groups, so that an error in the second finds the first one already gathered."""
    params = [torch.ones(shape) for shape in shapes]
    optimizer = INDIAN([{"params": params[:1]}, {"params": params[1:]}], lr=0.05, alpha=0.5, beta=0.2, **flags)
    for _ in range(2):
        give_gradients(optimizer)
        optimizer.step()
    give_gradients(optimizer)
    return optimizer


def parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [param for group in optimizer.param_groups for param in group["params"]]


def give_gradients(optimizer: torch.optim.Optimizer) -> None:
    for param in parameters(optimizer):
        param.grad = torch.full_like(param, 0.5)


def contents(optimizer: torch.optim.Optimizer) -> Any:
    """Copies of parameters, state and groups."""
    states = [
        {key: value.detach().clone() if isinstance(value, Tensor) else value for key, value in state.items()}
        for state in optimizer.state.values()
    ]
    return [p.detach().clone() for p in parameters(optimizer)], states, repr(optimizer)


def assert_equal(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(actual[:2], expected[:2], rtol=0, atol=0)
    assert actual[2] == expected[2]


def assert_refused(optimizer: torch.optim.Optimizer, call: Callable[[], Any], message: str) -> None:
    """With an error of this text, and nothing has changed."""
    before = contents(optimizer)
    with pytest.raises((RuntimeError, TypeError, ValueError, NotImplementedError), match=message):
        call()
    assert_equal(contents(optimizer), before)


def train(optimizer: Any, steps: int = 2) -> None:
    for _ in range(steps):
        give_gradients(optimizer)
        params = parameters(optimizer)
        optimizer.step(*[lambda: sum(((p - 3) ** 2).sum() for p in params)] * isinstance(optimizer, TrustRegion))  # noqa: B023
