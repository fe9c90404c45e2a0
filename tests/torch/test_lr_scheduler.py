from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR

from indian_core.dynamics import pre_form, velocity_step
from indian_core.schedules import LogarithmicDecay, PowerDecay
from indian_torch import INDIAN, LogarithmicDecayLR, PowerDecayLR
from tests.torch.implementations import each_implementation

STEPS = 12

TORCH_SCHEDULERS: dict[str, Callable[[INDIAN], Any]] = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda k: 0.9**k),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda k: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 6]),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, total_iters=4),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, total_iters=10),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=3, cycle_momentum=False),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=STEPS + 1, cycle_momentum=False),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=2),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.5)], milestones=[4]
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(o), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "SWALR": lambda o: SWALR(o, swa_lr=0.01, anneal_epochs=4),
}

OUR_SCHEDULERS: dict[str, tuple[Callable[[INDIAN], Any], Any]] = {
    "default_power": (PowerDecayLR, PowerDecay(0.05)),
    "power": (lambda o: PowerDecayLR(o, power=0.25), PowerDecay(0.05, 0.25)),
    "warmup": (lambda o: PowerDecayLR(o, 0.5, warmup_steps=5), PowerDecay(0.05, 0.5, 5)),
    "default_logarithmic": (LogarithmicDecayLR, LogarithmicDecay(0.05)),
    "logarithmic": (lambda o: LogarithmicDecayLR(o, power=1.5), LogarithmicDecay(0.05, 1.5)),
}


def make(lr: float | torch.Tensor = 0.05, **flags: bool) -> tuple[torch.Tensor, INDIAN]:
    param = torch.tensor([1.0, -2.0], dtype=torch.float64)
    return param, INDIAN([param], lr=lr, alpha=0.5, beta=0.1, **flags)


def test_every_scheduler_of_torch_is_tested() -> None:
    assert set(lr_scheduler.__all__) - {"LRScheduler"} <= TORCH_SCHEDULERS.keys()


@pytest.mark.parametrize("make_lr", [float, lambda lr: torch.tensor(lr, dtype=torch.float64)], ids=["number", "tensor"])
@pytest.mark.parametrize("scheduler", TORCH_SCHEDULERS)
@each_implementation
def test_step_size_is_what_the_scheduler_set(
    flags: dict[str, bool], scheduler: str, make_lr: Callable[[float], Any]
) -> None:
    param, optimizer = make(make_lr(0.05), **flags)
    schedule = TORCH_SCHEDULERS[scheduler](optimizer)
    theta, velocity = param.clone(), torch.zeros_like(param)
    step_sizes = []
    for k in range(STEPS):
        step_sizes.append(float(optimizer.param_groups[0]["lr"]))
        param.grad = gradient = torch.tensor([k - 3.0, 1.0], dtype=torch.float64)
        optimizer.step()
        schedule.step(*([1.0] if scheduler == "ReduceLROnPlateau" else []))
        coefficients = pre_form(step_sizes[-1], 0.5, 0.1, first=k == 0)
        displacement, velocity = velocity_step(theta, velocity, gradient, coefficients)
        theta = theta + displacement
        torch.testing.assert_close(param, theta, rtol=1e-13, atol=1e-13)
    assert len(set(step_sizes)) > 1


@pytest.mark.parametrize(
    ("scheduler", "arguments"),
    [
        (lr_scheduler.CyclicLR, {"base_lr": 0.01, "max_lr": 0.1}),
        (lr_scheduler.OneCycleLR, {"max_lr": 0.1, "total_steps": 5}),
    ],
)
def test_there_is_no_momentum_to_cycle(scheduler: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"optimizer must support momentum .* with `cycle_momentum` option enabled"):
        scheduler(make()[1], **arguments, cycle_momentum=True)


@pytest.mark.parametrize("make_lr", [float, torch.tensor], ids=["number", "tensor"])
@pytest.mark.parametrize(("scheduler", "schedule"), OUR_SCHEDULERS.values(), ids=OUR_SCHEDULERS)
def test_our_schedulers_are_the_schedules_of_the_core(
    scheduler: Callable[[INDIAN], Any], schedule: Any, make_lr: Callable[[float], Any]
) -> None:
    _, optimizer = make(make_lr(0.05))
    actual = scheduler(optimizer)
    for k in range(50):
        assert float(optimizer.param_groups[0]["lr"]) == pytest.approx(schedule(k), rel=1e-6)
        assert [float(lr) for lr in actual.get_last_lr()] == pytest.approx([schedule(k)], rel=1e-6)
        optimizer.step()
        actual.step()


@pytest.mark.parametrize(("scheduler", "schedule"), OUR_SCHEDULERS.values(), ids=OUR_SCHEDULERS)
def test_our_schedulers_scale_the_step_size_of_each_group(scheduler: Callable[[INDIAN], Any], schedule: Any) -> None:
    optimizer = INDIAN([{"params": [torch.ones(1)], "lr": lr} for lr in (0.05, 0.5)])
    actual = scheduler(optimizer)
    for k in range(8):
        assert actual.get_last_lr() == pytest.approx([schedule(k), 10 * schedule(k)], rel=1e-12)
        optimizer.step()
        actual.step()


@pytest.mark.parametrize(("scheduler", "schedule"), OUR_SCHEDULERS.values(), ids=OUR_SCHEDULERS)
def test_our_schedulers_resume(scheduler: Callable[[INDIAN], Any], schedule: Any) -> None:
    """The saved state decides, not what the new scheduler was made with."""
    _, optimizer = make()
    saved = scheduler(optimizer)
    for _ in range(7):
        optimizer.step()
        saved.step()
    _, other = make()
    loaded = type(saved)(other, power=3.0)
    other.load_state_dict(optimizer.state_dict())
    loaded.load_state_dict(saved.state_dict())
    for k in range(7, 20):
        assert loaded.last_epoch == k
        assert other.param_groups[0]["lr"] == pytest.approx(schedule(k), rel=1e-12)
        other.step()
        loaded.step()


@pytest.mark.parametrize("scheduler", [PowerDecayLR, LogarithmicDecayLR])
def test_our_schedulers_may_start_late(scheduler: Any) -> None:
    _, optimizer = make()
    first = scheduler(optimizer)
    for _ in range(4):
        optimizer.step()
        first.step()
    second = scheduler(optimizer, last_epoch=3)
    assert second.get_last_lr() == first.get_last_lr()


@pytest.mark.parametrize(
    ("scheduler", "arguments", "error", "message"),
    [
        (PowerDecayLR, {"power": -1}, ValueError, "power must be a finite number >= 0, got -1"),
        (PowerDecayLR, {"power": "x"}, TypeError, "power must be a finite number >= 0, got 'x' of type str"),
        (PowerDecayLR, {"warmup_steps": -1}, ValueError, "warmup_steps must be an integer >= 0, got -1"),
        (PowerDecayLR, {"warmup_steps": 1.5}, TypeError, "warmup_steps must be an integer >= 0, got 1.5 of type float"),
        (LogarithmicDecayLR, {"power": float("nan")}, ValueError, "power must be a finite number >= 0, got nan"),
        (
            LogarithmicDecayLR,
            {"power": None},
            TypeError,
            "power must be a finite number >= 0, got None of type NoneType",
        ),
    ],
)
def test_bad_arguments_change_nothing(
    scheduler: Any, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    _, optimizer = make()
    with pytest.raises(error) as caught:
        scheduler(optimizer, **arguments)
    assert str(caught.value) == message
    assert "initial_lr" not in optimizer.param_groups[0]
    assert optimizer.param_groups[0]["lr"] == 0.05
