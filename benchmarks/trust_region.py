"""The trust region's time per backpropagation, and a physics problem against L-BFGS and Adam.

``python -m benchmarks.trust_region`` prints, for networks of three sizes, what a backpropagation of a whole step costs
beside the framework's bare Hessian–vector product; and how long a physics-informed network takes to fit a boundary
value problem. Times are those of the process on one thread, so that a busy machine does not change them much.
"""

import contextlib
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.side_by_side import Report, machine, options, table
from benchmarks.trust_region_jax import jax_search
from benchmarks.trust_region_search import Search
from benchmarks.trust_region_tensorflow import tensorflow_search
from benchmarks.trust_region_torch import torch_search
from indian_torch import TrustRegion

WIDTHS = {"481 parameters": (1, 20, 20, 1), "4 810 parameters": (64, 64, 10), "407 050 parameters": (784, 512, 10)}
"""Layers of the networks with tanh that are timed; each sees a batch of 512."""

BATCH = 512

ITERATIONS = 20
"""Iterations of a timed step at most."""


FRAMEWORKS: dict[str, Callable[[Sequence[int], int, int], Search]] = {
    "PyTorch": torch_search,
    "JAX": jax_search,
    "Keras on TensorFlow": tensorflow_search,
}
"""The entries of the frameworks that are timed, called with widths of layers, `BATCH` and `ITERATIONS`."""


def time_per_backpropagation(report: Report, framework: str, rounds: int) -> None:
    """Add the table of one framework."""
    for name, widths in WIDTHS.items():
        search = FRAMEWORKS[framework](widths, BATCH, ITERATIONS)
        bare = "Hessian–vector product"
        seconds: dict[str, list[float]] = {bare: []}
        for _ in range(rounds):
            seconds[bare].append(_cpu_seconds(search.product, calls=ITERATIONS)[0])
            for method, step in search.steps.items():
                total, spent = _cpu_seconds(step, calls=1)
                seconds.setdefault(f"{method}, {spent} in a step", []).append(total / spent)
        report.add(f"### {framework}, {name}")
        report.add(table(seconds, [bare], unit="µs"))


def _cpu_seconds(run: Callable[[], Any], calls: int) -> tuple[float, Any]:
    """Seconds of the processor per call, after one that is not timed, and what the last call returned."""
    run()
    start = time.process_time()
    for _ in range(calls):
        result = run()
    return (time.process_time() - start) / calls, result


TARGET = 1e-6
"""The loss at which a fit is done."""


class BoundaryValueProblem:
    """−u″ + u³ = f on [0, 1] with u(0) = u(1) = 0 and the solution sin 2πx: a network of 321 parameters in float64.

    The loss is the sum of the squares of the residuals at 32 points, over their number, and of 10 u at both ends.
    """

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        linear, tanh = torch.nn.Linear, torch.nn.Tanh
        self.network = torch.nn.Sequential(linear(1, 16), tanh(), linear(16, 16), tanh(), linear(16, 1)).double()
        self.x = torch.linspace(0, 1, 32, dtype=torch.float64).reshape(-1, 1).requires_grad_()
        solution = torch.sin(2 * math.pi * self.x).detach()
        self.force = 4 * math.pi**2 * solution + solution**3

    def residuals(self) -> Tensor:
        """All residuals, as one vector."""
        u = self.network(self.x)
        (slope,) = torch.autograd.grad(u.sum(), self.x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), self.x, create_graph=True)
        inner = (u**3 - bend - self.force) / math.sqrt(len(self.x))
        return torch.cat([inner, 10 * u[:1], 10 * u[-1:]])

    def loss(self) -> Tensor:
        """The sum of their squares."""
        return self.residuals().square().sum()


class _DoneError(Exception):
    """The end of a run."""


class Fit(NamedTuple):
    """How far a run came: seconds, evaluations of the loss or steps of the trust region, and the smallest loss."""

    seconds: float
    evaluations: int
    loss: float


class Watch:
    """Counts the evaluations of a fit, and ends it at the target or after ``limit`` seconds."""

    def __init__(self, limit: float) -> None:
        self.limit, self.start, self.evaluations, self.best = limit, time.process_time(), 0, math.inf

    def see(self, loss: float) -> None:
        """Take note of a loss."""
        self.evaluations += 1
        self.best = min(self.best, loss)
        if self.best <= TARGET or time.process_time() - self.start > self.limit:
            raise _DoneError

    def fit(self) -> Fit:
        """The result."""
        return Fit(time.process_time() - self.start, self.evaluations, self.best)


def _with_backward(problem: BoundaryValueProblem, optimizer: torch.optim.Optimizer, watch: Watch) -> None:
    def closure() -> float:
        optimizer.zero_grad()
        loss = problem.loss()
        loss.backward()
        watch.see(loss.item())
        return loss.item()

    while True:
        optimizer.step(closure)


def _with_trust_region(problem: BoundaryValueProblem, optimizer: TrustRegion, watch: Watch) -> None:
    def closure() -> tuple[Tensor, Tensor]:
        residuals = problem.residuals()
        return residuals.square().sum(), residuals

    while True:
        watch.see(optimizer.step(closure).item())


_NO_TOLERANCE: dict[str, Any] = {"tolerance_grad": 0.0, "tolerance_change": 0.0, "line_search_fn": "strong_wolfe"}
_TRUST_REGION: dict[str, Any] = {
    "curvature": "gauss_newton",
    "radius": 0.1,
    "max_radius": 100.0,
    "expand_factor": 2.0,
    "expand_ratio": 0.75,
    "shrink_factor": 3.0,
    "max_iterations": 500,
}

METHODS: dict[str, tuple[Callable[..., Any], Callable[..., None], list[dict[str, Any]]]] = {
    "TrustRegion": (
        lambda params, **given: TrustRegion(params, **_TRUST_REGION, **given),
        _with_trust_region,
        [
            *(
                {"norm": "adagrad", "norm_epsilon": epsilon, "tolerance": tolerance}
                for epsilon in (1e-3, 1e-2)
                for tolerance in (0.1, 1e-3)
            ),
            {"norm": None, "tolerance": 1e-3},
        ],
    ),
    "LBFGS": (
        lambda params, **given: torch.optim.LBFGS(params, **_NO_TOLERANCE, **given),
        _with_backward,
        [{"history_size": history} for history in (10, 30, 100, 300, 1000)],
    ),
    "Adam": (torch.optim.Adam, _with_backward, [{"lr": lr} for lr in (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)]),
}
"""Each method with its five settings, of which the best on one seed is run on others."""


def fit(method: str, settings: dict[str, Any], seed: int, limit: float) -> Fit:
    """One run."""
    make, run, _ = METHODS[method]
    problem, watch = BoundaryValueProblem(seed), Watch(limit)
    with contextlib.suppress(_DoneError):
        run(problem, make(problem.network.parameters(), **settings), watch)
    return watch.fit()


def physics(report: Report, seeds: int, limit: float) -> None:
    """Add the table of the fits: each method's best setting on seed 0, on the seeds that follow."""
    lines = [
        "| | setting | reached | seconds, median | evaluations or steps, median | loss, median |",
        "|---" * 6 + "|",
    ]
    for method, (_, _, grid) in METHODS.items():
        tried = [(fit(method, settings, 0, limit), settings) for settings in grid]
        best = min(tried, key=lambda pair: (max(pair[0].loss, TARGET), pair[0].seconds))[1]
        runs = [fit(method, best, seed, limit) for seed in range(1, 1 + seeds)]
        reached = sum(run.loss <= TARGET for run in runs)
        seconds, evaluations, loss = (statistics.median(column) for column in zip(*runs, strict=True))
        shown = f"{seconds:.2f}" if reached > seeds / 2 else f"over {limit:g}"
        setting = ", ".join(f"{name} = {value}" for name, value in best.items())
        lines.append(f"| {method} | {setting} | {reached} of {seeds} | {shown} | {evaluations:.0f} | {loss:.1e} |")
    report.add(f"### A boundary value problem to a loss of {TARGET:g}")
    report.add("\n".join(lines))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    chosen = options(__doc__, arguments)
    torch.set_num_threads(1)
    report = Report()
    report.add(f"{machine('torch', 'jax', 'tensorflow', 'keras')}, one thread, seconds of the processor.")
    for framework in FRAMEWORKS:
        time_per_backpropagation(report, framework, chosen.rounds)
    physics(report, seeds=3, limit=8.0 * chosen.scale)
    report.save(chosen.output)


if __name__ == "__main__":
    # Read when JAX computes for the first time.
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    main()
