"""A trial of a step: what it may change."""

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

__all__ = ["Trial", "casts_forgotten", "kept_unless_accepted", "random_numbers_kept"]


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


@contextlib.contextmanager
def casts_forgotten() -> Iterator[None]:
    """Forget the casts of weights that `torch.autocast` has cached, before and after, since the weights move."""
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.clear_autocast_cache()
