"""What a step does: the operations that it calls, and the memory that it takes."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from indian_torch import INDIAN


class _Calls(TorchDispatchMode):
    """Counts the operations that reach PyTorch's dispatcher."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count[function.name().split(".")[0]] += 1
        return function(*args, **(kwargs or {}))


def calls_of(step: Callable[[], Any]) -> Counter[str]:
    """How often each operation is called."""
    with _Calls() as calls:
        step()
    return calls.count


def peak_of_a_step(optimizer: INDIAN) -> int:
    """By how many bytes memory grows at most in the third step, temporaries of the kernels included."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.full_like(p, 0.5)
    optimizer.step()
    optimizer.step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        optimizer.step()
    assert profiled.profiler is not None
    assert profiled.profiler.kineto_results is not None
    now = peak = 0
    memory = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(memory, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak
