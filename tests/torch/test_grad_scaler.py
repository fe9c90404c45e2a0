"""Mixed precision around the optimizer: torch.autocast, and GradScaler with batches that overflow."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indian_torch import INDIAN
from tests.torch.implementations import each_implementation, each_implementation_and_norm

Snapshot = tuple[list[Tensor], dict[int, tuple[float, Tensor]]]

HYPERPARAMETERS: dict[str, float] = {"lr": 0.1, "alpha": 0.5, "beta": 0.3, "weight_decay": 0.1}

GOOD, BAD = [0.5, 2.0, 1.0, 0.25], torch.inf
"""Factors of the loss, one for each batch. Scaling by powers of two rounds nothing."""

OVERFLOWS: dict[str, list[float]] = {
    "first": [BAD, *GOOD],
    "first_twice": [BAD, BAD, *GOOD],
    "later": [*GOOD[:2], BAD, *GOOD[2:]],
    "last": [*GOOD, BAD],
}


def start(flags: dict[str, bool]) -> tuple[nn.Sequential, INDIAN]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    return model, INDIAN(model.parameters(), **HYPERPARAMETERS, **flags)


def loss_of(model: nn.Sequential, factor: float) -> Tensor:
    inputs = torch.linspace(-1, 1, 24).reshape(8, 3)
    loss = (model(inputs).float() - inputs.prod(1, keepdim=True)).square().mean()
    # Of all gradients, the last bias' alone is infinite.
    return loss + factor * model[2].bias.sum() if factor == BAD else factor * loss


def snapshot(model: nn.Module, optimizer: INDIAN) -> Snapshot:
    """The parameters, and the state of those that have taken a step."""
    states = optimizer.state_dict()["state"]
    return [param.detach().clone() for param in model.parameters()], {
        i: (state["step"].item(), state["velocity"].clone()) for i, state in states.items() if state["step"] > 0
    }


def assert_same(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


def assert_close(actual: Any, expected: Any) -> None:
    # A snapshot makes the optimizer recompute its velocities, which rounds them.
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)


def train_without_scaler(flags: dict[str, bool], factors: Sequence[float]) -> Snapshot:
    model, optimizer = start(flags)
    for factor in factors:
        optimizer.zero_grad()
        loss_of(model, factor).backward()
        optimizer.step()
    return snapshot(model, optimizer)


@each_implementation_and_norm
@pytest.mark.parametrize("clip", [False, True], ids=["scaled_gradients", "unscaled_and_clipped"])
@pytest.mark.parametrize("factors", OVERFLOWS.values(), ids=OVERFLOWS)
def test_overflowing_batch_leaves_no_trace(flags: dict[str, bool], factors: list[float], clip: bool) -> None:
    model, optimizer = start(flags)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for factor in factors:
        before = snapshot(model, optimizer)
        optimizer.zero_grad()
        scaler.scale(loss_of(model, factor)).backward()
        if clip:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 100.0)
        scaler.step(optimizer)
        scaler.update()
        if factor == BAD:
            assert_same(snapshot(model, optimizer), before)
    assert scaler.get_scale() == 1024.0 / 2 ** factors.count(BAD)
    assert_close(snapshot(model, optimizer), train_without_scaler(flags, GOOD))


@each_implementation
def test_phase_is_undefined_while_every_step_was_skipped(flags: dict[str, bool]) -> None:
    model, optimizer = start(flags)
    scaler = torch.amp.GradScaler("cpu")
    scaler.scale(loss_of(model, BAD)).backward()
    scaler.step(optimizer)
    with pytest.raises(ValueError, match="param must have taken a step"):
        optimizer.phase(model[0].weight)


@each_implementation
def test_disabled_scaler_changes_nothing(flags: dict[str, bool]) -> None:
    model, optimizer = start(flags)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    for factor in GOOD:
        optimizer.zero_grad()
        scaler.scale(loss_of(model, factor)).backward()
        scaler.step(optimizer)
        scaler.update()
    assert_close(snapshot(model, optimizer), train_without_scaler(flags, GOOD))


@each_implementation
def test_resumes_after_a_skipped_step(flags: dict[str, bool]) -> None:
    """What a skipped first step may have left in a state dict does not count as a step."""
    model, optimizer = start(flags)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(loss_of(model, BAD)).backward()
    scaler.step(optimizer)
    other_model, other = start(flags)
    other_model.load_state_dict(model.state_dict())
    other.load_state_dict(optimizer.state_dict())
    for factor in GOOD:
        other.zero_grad()
        loss_of(other_model, factor).backward()
        other.step()
    assert_same(snapshot(other_model, other), train_without_scaler(flags, GOOD))


@each_implementation
def test_trains_in_float16_and_skips_the_steps_that_overflow(flags: dict[str, bool]) -> None:
    """Here float16 itself overflows, until the scaler has found a scale that fits."""
    model, optimizer = start(flags)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = loss_of(model, 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    (steps,) = {state["step"].item() for state in optimizer.state_dict()["state"].values()}
    skipped = 24 - torch.tensor(scaler.get_scale()).log2().item()
    assert 0 < skipped < 20
    assert steps == 40 - skipped
    assert losses[-1] < losses[0] / 2


@each_implementation
@pytest.mark.parametrize("step_inside", [False, True], ids=["step_outside", "step_inside"])
def test_trains_under_autocast_with_float32_state(flags: dict[str, bool], step_inside: bool) -> None:
    """The model computes in bfloat16, the optimizer in float32, wherever ``step`` is called."""
    model, optimizer = start(flags)
    plain_model, plain = start(flags)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            assert model(torch.ones(1, 3)).dtype == torch.bfloat16
            loss = loss_of(model, 1.0)
        loss.backward()
        for param, other in zip(model.parameters(), plain_model.parameters(), strict=True):
            assert param.grad is not None
            other.grad = param.grad.clone()
        with torch.autocast("cpu", torch.bfloat16) if step_inside else nullcontext():
            optimizer.step()
        plain.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    params, states = snapshot(model, optimizer)
    assert {tensor.dtype for tensor in (*params, *(velocity for _, velocity in states.values()))} == {torch.float32}
    assert_same((params, states), snapshot(plain_model, plain))
