"""Time and memory of an optimizer step in PyTorch: INDIAN, also in a norm, beside PyTorch's own optimizers.

``python -m benchmarks.torch_step`` prints, for a few large tensors and for many small ones, the time of ``step()`` in
each implementation, next to the time that memory alone needs; the same for a model of one tiny parameter; and the
memory that the state and a step take. INNAprop is INDIAN in the norm of RMSProp; "compiled" is its step under
``torch.compile``, which takes half a minute once. The damped optimizers have their default damping.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.side_by_side import SIZES, Report, cores, machine, measure, options, table
from indian_torch import INDIAN, DampedAdamW, DampedSGD, INNAprop

OPTIMIZERS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any]]] = {
    "INDIAN": (INDIAN, {}),
    "INNAprop": (INNAprop, {}),
    "INDIAN in the AdaGrad norm": (INDIAN, {"norm": "adagrad"}),
    "DampedSGD": (DampedSGD, {"lr": 0.01, "momentum": 0.9}),
    "DampedAdamW": (DampedAdamW, {}),
    "SGD": (torch.optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "AdamW": (torch.optim.AdamW, {}),
    "NAdam": (torch.optim.NAdam, {}),
}
EUCLIDEAN = ("INDIAN", "DampedSGD", "SGD", "AdamW")
IN_NORM = ("DampedAdamW", "INNAprop", "INDIAN in the AdaGrad norm", "AdamW")
FLAGS: dict[str, dict[str, Any]] = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
MEMORY_ALONE = "memory alone"


def parameters(tensors: int, elements: int) -> list[Tensor]:
    """Parameters with gradients."""
    params = []
    for _ in range(tensors):
        param = torch.randn(elements, requires_grad=True)
        param.grad = torch.randn(elements)
        params.append(param)
    return params


def steps(params: list[Tensor], names: Sequence[str], flags: str) -> dict[str, Callable[[], object]]:
    """The ``step`` of each of these optimizers with these flags, past its first step."""
    found: dict[str, Callable[[], object]] = {}
    for name in names:
        make, arguments = OPTIMIZERS[name]
        optimizer = make(params, **arguments, **FLAGS[flags])
        optimizer.step()
        found[f"{name}, {flags}"] = optimizer.step
    return found


def compiled_step(params: list[Tensor]) -> Callable[[], object]:
    """The step of INNAprop, compiled, past its first step."""
    optimizer = INNAprop(params, lr=torch.tensor(1e-3))
    step: Callable[[], object] = torch.compile(optimizer.step)
    step()
    return step


def five_streams(params: Sequence[Tensor]) -> Callable[[], object]:
    """Reads three arrays and writes two of them, as a step must, in two passes that share none."""
    thetas = [param.detach() for param in params]
    gradients = [torch.randn_like(theta) for theta in thetas]
    velocities = [torch.randn_like(theta) for theta in thetas]

    def run() -> None:
        torch._foreach_add_(thetas, gradients)
        torch._foreach_mul_(velocities, -1.0)

    return run


def step_times(report: Report, size: str, rounds: int, scale: float) -> None:
    """Add the times for one size, as one table for each implementation."""
    tensors, elements = SIZES[size]
    params = parameters(tensors, max(1, int(elements * scale)))
    report.add(f"### {size}")
    for flags in ("foreach", "fused"):
        contenders = {MEMORY_ALONE: five_streams(params), **steps(params, EUCLIDEAN, flags)}
        seconds = measure(contenders, rounds=rounds, calls=3 if tensors < 50 else 20)
        peers = [f"SGD, {flags}", f"AdamW, {flags}"]
        report.add(table(seconds, [MEMORY_ALONE, *peers] if flags == "fused" and tensors < 50 else peers))


def step_times_in_norm(report: Report, size: str, rounds: int, scale: float) -> None:
    """Add the times for one size in the norms of RMSProp and AdaGrad, as one table for each implementation."""
    tensors, elements = SIZES[size]
    params = parameters(tensors, max(1, int(elements * scale)))
    report.add(f"### In a norm, {size}")
    for flags in ("foreach", "fused"):
        contenders = steps(params, IN_NORM, flags)
        if flags == "foreach":  # NAdam has no other implementation.
            contenders |= steps(params, ["NAdam"], flags)
        elif scale == 1 and tensors < 50:  # A step of 200 tensors takes minutes to compile.
            contenders["INNAprop, compiled"] = compiled_step(params)
        seconds = measure(contenders, rounds=rounds, calls=3 if tensors < 50 else 20)
        report.add(table(seconds, [f"AdamW, {flags}"]))


def overhead(report: Report, rounds: int) -> None:
    """Add the times for one parameter of three elements."""
    report.add("### One parameter of 3 elements")
    contenders = {}
    for flags in FLAGS:
        contenders.update(steps(parameters(1, 3), ("INDIAN", "SGD"), flags))
    seconds = measure(contenders, rounds=rounds, calls=1000)
    report.add(table(seconds, [f"SGD, {flags}" for flags in FLAGS], unit="µs"))


def print_memory(name: str, flags: str) -> None:
    """Print the bytes of the parameters, of the state, and by how much the process grows at most during later steps.

    For a process of its own, on Linux.
    """
    params = parameters(*SIZES["25 M parameters in 10 tensors"])
    make, arguments = OPTIMIZERS[name]
    optimizer = make(params, **arguments, **FLAGS[flags])
    for _ in range(2):
        optimizer.step()
    # The largest size so far becomes the present one.
    Path("/proc/self/clear_refs").write_text("5")
    before = _process_size("VmRSS")
    for _ in range(3):
        optimizer.step()
    growth = _process_size("VmHWM") - before
    state = [value for values in optimizer.state.values() for value in values.values() if isinstance(value, Tensor)]
    print(*(sum(tensor.nbytes for tensor in tensors) for tensors in (params, state)), growth)


def _process_size(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def memory(report: Report) -> None:
    """Add the memory of the state and of a step."""
    report.add("### Memory, 25 M parameters in 10 tensors")
    lines = ["| | state / parameters | temporaries of a step / parameters |", "|---|---|---|"]
    for name in (*EUCLIDEAN, *IN_NORM[:-1]):
        for flags in ("foreach", "fused"):
            program = f"from benchmarks.torch_step import print_memory; print_memory({name!r}, {flags!r})"
            run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
            size, state, growth = map(int, run.stdout.split())
            lines.append(f"| {name}, {flags} | {state / size:.3f} | {growth / size:.3f} |")
    report.add("\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    chosen = options(__doc__, arguments)
    torch.set_num_threads(cores())
    report = Report()
    report.add(f"{machine('torch')}, {torch.get_num_threads()} threads, float32.")
    for size in SIZES:
        step_times(report, size, chosen.rounds, chosen.scale)
    for size in SIZES:
        step_times_in_norm(report, size, chosen.rounds, chosen.scale)
    overhead(report, chosen.rounds)
    if chosen.scale == 1:
        memory(report)
    report.save(chosen.output)


if __name__ == "__main__":
    main()
