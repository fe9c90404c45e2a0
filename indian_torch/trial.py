"""A trial of a step: what it may change, and what is reported of it."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from indian_core.trust_region import Report, Termination
from indian_core.trust_region.radius import Verdict
from indian_torch.subproblem import Step

__all__ = ["Trial", "kept_unless_accepted", "plain_report", "random_numbers_kept"]


class Trial:
    """Whether a trial is accepted, which its context learns at the end."""

    accepted = False


@contextlib.contextmanager
def kept_unless_accepted(params: Sequence[Tensor]) -> Iterator[Trial]:
    """Put the parameters back at the end, bit by bit as they were, unless they are accepted; after an error too."""
    before, trial = [param.clone() for param in params], Trial()
    try:
        yield trial
    finally:
        if not trial.accepted:
            torch._foreach_copy_(list(params), before)


@contextlib.contextmanager
def random_numbers_kept(params: Sequence[Tensor]) -> Iterator[None]:
    """Put PyTorch's random numbers back at the end, on the CPU and on the device of the parameters."""
    device = params[0].device
    devices = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(devices, device_type="cuda" if device.type == "cpu" else device.type):
        yield


def plain_report(
    loss: Tensor, trial_loss: Tensor, gradient_norm: Tensor, found: Step, verdict: Verdict, spent: int
) -> Report:
    """What happened, as plain numbers, which come from the device all at once."""
    scalars = Report(
        loss=loss,
        trial_loss=trial_loss,
        model_decrease=found.model_decrease,
        ratio=verdict.ratio,
        radius=verdict.radius,
        accepted=verdict.accepted,
        within_rounding=verdict.within_rounding,
        iterations=found.iterations,
        termination=found.termination,
        negative_curvature=found.negative_curvature,
        gradient_norm=gradient_norm,
        step_norm=found.step_norm,
        backpropagations=spent + 1 + found.products,
    )
    as_double = [torch.as_tensor(value, dtype=torch.float64, device=loss.device) for value in scalars]
    numbers = Report(*torch.stack(as_double).tolist())
    return numbers._replace(
        accepted=bool(numbers.accepted),
        within_rounding=bool(numbers.within_rounding),
        iterations=int(numbers.iterations),
        termination=Termination(int(numbers.termination)),
        negative_curvature=bool(numbers.negative_curvature),
        backpropagations=int(numbers.backpropagations),
    )
