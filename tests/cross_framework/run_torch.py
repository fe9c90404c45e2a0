"""Runs in PyTorch."""

import numpy as np
import torch

from indian_core.dynamics import initial_phase, phase_step
from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay, Schedule
from indian_torch import INDIAN, LogarithmicDecayLR, PowerDecayLR
from tests.cross_framework.cases import Arrays, Case, Recorder, Run

VARIANTS = {
    "foreach": {"foreach": True},
    "for loop": {"foreach": False},
    "fused": {"fused": True},
    "capturable": {"capturable": True},
    "differentiable": {"differentiable": True},
}

torch.set_num_threads(1)


def run(case: Case, variant: str) -> Run:
    """Run a case with one of the optimizer's implementations."""
    parameters = _parameters(case)
    optimizer, scheduler = _build(case, parameters, variant)
    recorder = Recorder(case)
    started: set[torch.Tensor] = set()
    for k in range(case.steps):
        if k == case.resumes_at:
            saved = optimizer.state_dict(), scheduler and scheduler.state_dict()
            optimizer, scheduler = _build(case, parameters, variant)
            optimizer.load_state_dict(saved[0])
            if scheduler:
                scheduler.load_state_dict(saved[1])
        _set_gradients(case, parameters, k)
        optimizer.step()
        if scheduler:
            scheduler.step()
        started |= {p for p in parameters if p.grad is not None}
        # Not from the state: to look at that ends the multiples that the velocities are kept as.
        velocities = [optimizer.velocity(p) if p in started else torch.zeros_like(p) for p in parameters]
        recorder.record([_array(p) for p in parameters], [_array(v) for v in velocities])
    result = recorder.run()
    recorder.check_last_phase([_array(optimizer.phase(p)) for p in parameters])
    return result


def run_momentum_sgd(case: Case, learning_rate: float, momentum: float, nesterov: bool) -> np.ndarray:
    """θ after each step of `torch.optim.SGD` on the problem of a case."""
    parameters = _parameters(case)
    optimizer = torch.optim.SGD(parameters, learning_rate, momentum, nesterov=nesterov)
    thetas = []
    for k in range(case.steps):
        _set_gradients(case, parameters, k)
        optimizer.step()
        thetas.append(np.concatenate([_array(p).ravel() for p in parameters]))
    return np.stack(thetas)


def run_phase_form(case: Case) -> np.ndarray:
    """The last θ of the phase form with θ and ψ in the dtype of the case, which NumPy has no bfloat16 for."""
    parameters = _parameters(case)
    group = case.groups[0]
    phases: list[torch.Tensor] = []
    for k in range(case.steps):
        _set_gradients(case, parameters, k)
        phases = phases or [initial_phase(p, p.grad, *group[:3]) for p in parameters]
        for i, p in enumerate(parameters):
            theta, phases[i] = phase_step(p, phases[i], p.grad, case.schedule(k), group.alpha, group.beta)
            p.copy_(theta)
    return np.concatenate([_array(p).ravel() for p in parameters])


def _parameters(case: Case) -> list[torch.Tensor]:
    return [torch.tensor(array, dtype=getattr(torch, case.dtype)) for array in case.start()]


def _set_gradients(case: Case, parameters: list[torch.Tensor], k: int) -> None:
    gradients: Arrays = case.gradient([_array(p) for p in parameters], k)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else torch.as_tensor(gradient.astype(np.float64)).to(parameter.dtype)


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.double().numpy()


def _build(
    case: Case, parameters: list[torch.Tensor], variant: str
) -> tuple[INDIAN, torch.optim.lr_scheduler.LRScheduler | None]:
    first, second = case.groups
    groups = (
        [{"params": parameters, **first._asdict()}]
        if first == second
        else [{"params": [p], **group._asdict()} for p, group in zip(parameters, case.groups, strict=True)]
    )
    optimizer = INDIAN(groups, lr=case.schedule.initial, **VARIANTS[variant])
    return optimizer, lr_scheduler(case.schedule, optimizer)


def lr_scheduler(schedule: Schedule, optimizer: INDIAN) -> torch.optim.lr_scheduler.LRScheduler | None:
    """The scheduler for a schedule of the core; None where the step size is constant."""
    match schedule:
        case Constant():
            return None
        case PowerDecay(power=power, warmup_steps=warmup_steps):
            return PowerDecayLR(optimizer, power, warmup_steps)
        case LogarithmicDecay(power=power):
            return LogarithmicDecayLR(optimizer, power)
