"""Assumption 1 broken: a constant step size leaves a neighbourhood whose size goes with γ; a summable one stops short.

With noise, on the regression of `experiments.papers.theorems.relu_regression`, the stationary spread at ½ is predicted
from the noise there and the linear map that a step is. At the kink of |θ|, without noise, the steps end in a short
cycle around it; of those with two points the width is known.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.linalg import solve_discrete_lyapunov  # type: ignore[import-untyped]

from experiments.lib.curves import markdown_table, write_csv
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import Job
from experiments.papers.theorems import relu_regression as regression
from indian_core.dynamics import pre_form, velocity_step
from indian_core.reference import trajectory
from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay, Schedule, assumption_1

__all__ = ["cycle", "jobs", "report", "run_cycle", "run_noise", "run_schedule", "stationary_spread"]

ALPHA, BETA = 0.5, 0.5
LARGEST: Final = 0.2
HALVINGS: Final = {"quick": 3, "standard": 7}
DURATION: Final = {"quick": 40.0, "standard": 200.0}
STEPS: Final = {"quick": 2_000, "standard": 100_000}
RUNS: Final = 100
KINK_RUNS: Final = 20
SCHEDULES: Final[dict[str, Schedule]] = {
    "0.4(k + 1)^(−1/2)": PowerDecay(0.4, 0.5),
    "0.4/log(k + e)²": LogarithmicDecay(0.4, 2.0),
    "0.4/log(k + e)": LogarithmicDecay(0.4, 1.0),
    "0.4": Constant(0.4),
    "0.4(k + 1)^(−3/2)": PowerDecay(0.4, 1.5),
    "0.4(k + 1)^(−2)": PowerDecay(0.4, 2.0),
}


def jobs(scale: str) -> list[Job]:
    """Constant steps with noise and at a kink, and schedules within and without the assumption."""
    module = "experiments.papers.theorems.step_size_assumption"
    common = {"alpha": ALPHA, "beta": BETA}
    known = scale if scale in STEPS else "standard"
    noise = common | {"runs": RUNS, "seed": 0}
    lasting = noise | {"duration": DURATION[known]}
    sizes = [LARGEST / 2**i for i in range(HALVINGS[known])]
    libraries = ("numpy", "scipy")
    return [
        *(Job(f"{module}:run_noise", lasting | {"step_size": s}, (), libraries) for s in sizes),
        *(Job(f"{module}:run_cycle", common | {"step_size": s}, (), libraries) for s in sizes),
        *(Job(f"{module}:run_schedule", noise | {"schedule": n, "steps": STEPS[known]}) for n in SCHEDULES),
    ]


def run_noise(configuration: Mapping[str, Any]) -> dict[str, float]:
    """Root mean square of θ − ½ and the mean of J − J(½) in the second half of the runs, which begin at ½."""
    step_size, alpha, beta = (configuration[name] for name in ("step_size", "alpha", "beta"))
    steps = round(configuration["duration"] / step_size)
    recorded = range(steps // 2, steps + 1, max(1, round(0.2 / step_size)))
    starts = np.full((configuration["runs"], 2), regression.CRITICAL)
    path = regression.follow(Constant(step_size), starts, alpha, beta, recorded, configuration["seed"])
    excess = regression.loss(path.theta) - regression.loss(np.full(2, regression.CRITICAL))
    return {
        "spread": float(np.sqrt(np.mean((path.theta - regression.CRITICAL) ** 2))),
        "predicted": stationary_spread(step_size, alpha, beta),
        "excess": float(excess.mean()),
    }


def linear_step(step_size: float, alpha: float, beta: float, curvature: float) -> tuple[np.ndarray, np.ndarray]:
    """A and b, where a step makes A(θ, m) + b·n of (θ, m) if the gradient is curvature · θ + n."""
    coefficients = pre_form(step_size, alpha, beta)
    columns = []
    for theta, velocity, noise in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        displacement, after = velocity_step(theta, velocity, curvature * theta + noise, coefficients)
        columns.append([theta + displacement, after])
    return np.array(columns[:2]).T, np.array(columns[2])


def stationary_spread(step_size: float, alpha: float, beta: float) -> float:
    """The standard deviation of θ that the noise at ½ would keep up, if it were the same everywhere."""
    slopes = (regression.CRITICAL * regression.INPUTS - regression.LABELS) * regression.INPUTS
    slopes = slopes[regression.INPUTS > 0]
    # Of two samples' presence in a batch: its variance, and the covariance, as some subset is left out, the empty one.
    share = regression.SHARE
    both = (regression.SUBSETS / 4) / (regression.SUBSETS - 1) - share**2
    variance = (share * (1 - share) - both) * (slopes**2).sum() + both * slopes.sum() ** 2
    matrix, noise = linear_step(step_size, alpha, beta, curvature=share * len(slopes))
    covariance = solve_discrete_lyapunov(matrix, variance * np.outer(noise, noise))
    return float(np.sqrt(covariance[0, 0]))


def run_cycle(configuration: Mapping[str, Any]) -> dict[str, float]:
    """How far from 0 the steps on |θ| end at most, from random starts, and the width of a cycle of two points."""
    step_size, alpha, beta = (configuration[name] for name in ("step_size", "alpha", "beta"))
    steps = round(200 / step_size)
    starts = np.random.default_rng(0).standard_normal(KINK_RUNS)
    run = trajectory(lambda theta, k: np.sign(theta), starts, step_size, steps, alpha=alpha, beta=beta)
    last = run.theta[-steps // 10 :]
    return {"distance": float(np.abs(last).max()), "cycle": cycle(step_size, alpha, beta)}


def cycle(step_size: float, alpha: float, beta: float) -> float:
    """The width w of the cycle on |θ|: with the gradient 1 a step leads from (w/2, m) to (−w/2, −m).

    Both points may be moved together, as long as 0 is between them.
    """
    matrix, noise = linear_step(step_size, alpha, beta, curvature=0.0)
    return float(2 * np.linalg.solve(matrix + np.eye(2), -noise)[0])


def run_schedule(configuration: Mapping[str, Any]) -> dict[str, float]:
    """Median distance to ½ on the way and at the end, from random starts."""
    generator = np.random.default_rng(configuration["seed"])
    starts = generator.standard_normal((configuration["runs"], 2))
    steps, schedule = configuration["steps"], SCHEDULES[configuration["schedule"]]
    recorded = (steps // 100, steps // 10, steps)
    path = regression.follow(schedule, starts, configuration["alpha"], configuration["beta"], recorded, 1)
    medians = np.median(np.linalg.norm(path.theta - regression.CRITICAL, axis=-1), axis=1)
    return {str(k): float(median) for k, median in zip(recorded, medians, strict=True)}


def report(results: Sequence[Mapping[str, float]], folder: Path) -> str:
    """Figure, CSV and tables."""
    n = (len(results) - len(SCHEDULES)) // 2
    noise, kink, schedules = results[:n], results[n : 2 * n], results[2 * n :]
    sizes = [LARGEST / 2**i for i in range(n)]
    rows = [{"step_size": s} | dict(a) | dict(b) for s, a, b in zip(sizes, noise, kink, strict=True)]
    write_csv(folder / "constant_steps.csv", rows)
    _draw(sizes, noise, kink, folder / "step_size_assumption")
    powers = {
        key: float(np.polyfit(np.log(sizes[1:]), np.log([r[key] for r in of_kind[1:]]), 1)[0])
        for of_kind, keys in ((noise, ("spread", "excess")), (kink, ("distance",)))
        for key in keys
    }
    header = ["γ", "noise: spread of θ", "predicted", "noise: mean of J − J(½)", "kink of |θ|: largest |θ|", "cycle"]
    shown = ("spread", "predicted", "excess", "distance", "cycle")
    first = [[f"{row['step_size']:.4g}", *(f"{row[k]:.3g}" for k in shown)] for row in rows]
    spread, excess, distance = (f"{powers[key]:.2f}" for key in ("spread", "excess", "distance"))
    first.append(["*power of γ*", spread, "", excess, distance, ""])
    keys = list(schedules[0])
    second = [
        [name, "yes" if assumption_1(schedule) else "no", *(f"{result[key]:.2g}" for key in keys)]
        for (name, schedule), result in zip(SCHEDULES.items(), schedules, strict=True)
    ]
    header = [column.replace("|", "\\|") for column in header]
    titles = ["γ_k", "Assumption 1", *(f"after {key} steps" for key in keys)]
    return (
        f"Constant γ, α = {ALPHA:g}, β = {BETA:g}:\n\n{markdown_table(header, first)}\n\n"
        f"Median distance to (½, ½) of {RUNS} runs from random starts:\n\n{markdown_table(titles, second)}"
    )


def _draw(
    sizes: Sequence[float], noise: Sequence[Mapping[str, float]], kink: Sequence[Mapping[str, float]], path: Path
) -> None:
    with drawing(path, height=5) as (figure, ((axis,),)):
        axis.loglog(sizes, [r["spread"] for r in noise], "oC0", label="noise: spread of θ")
        axis.loglog(sizes, [r["predicted"] for r in noise], "C0", linewidth=0.9, label="predicted, ∝ √γ for small γ")
        axis.loglog(sizes, [r["excess"] for r in noise], "^C2", label="noise: mean of J − J(½)")
        axis.loglog(sizes, [r["distance"] for r in kink], "sC1", label="kink of |θ|, no noise: largest |θ|")
        axis.loglog(sizes, [r["cycle"] for r in kink], "C1", linewidth=0.9, label="width of a cycle of two points, ∝ γ")
        axis.set(xlabel="constant γ")
        axis.grid(alpha=0.25)
        legend_below(figure, [axis])
