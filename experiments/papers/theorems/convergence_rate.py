"""Theorem 14: J(θ(t)) converges as O(1/t) for semi-algebraic losses, with the constants of its proof as a curve.

The proof has −dE/dt >= c₁‖∂E‖² and, by Kurdyka and Łojasiewicz, ‖∂E‖² >= k (E − E*)^(2a) near the limit. So E − E* is
below the solution of ė = −c₁k e^(2a), and J − J* below that over 2(1 + αβ). For J of the order of |θ|^p, p >= 2, the
exponent is a = 1 − 1/p and the rate t^(−p/(p − 2)), which tends to 1/t as p grows; for p = 2, and where J has a kink,
a = 1/2, and convergence is exponential.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.lib.curves import markdown_table, write_csv
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import Job
from experiments.lib.styles import OPTIMIZERS
from experiments.papers.theorems.inclusion import solve
from experiments.papers.theorems.landscapes import LINES, Line
from indian_core.energy import energies, energy_gradient, quasi_gradient_constant

__all__ = ["bound", "jobs", "report", "run"]

DAMPINGS: Final = ((0.5, 0.1), (2.0, 1.0))
DURATION: Final = {"quick": 1e4, "standard": 1e6}
TOLERANCE: Final = 1e-11
POINTS: Final = 500
FLOOR: Final = 1e-22
"""Below this a loss is rounding error of the solver."""


def jobs(scale: str) -> list[Job]:
    """All losses with both dampings."""
    duration = DURATION.get(scale, DURATION["standard"])
    return [
        Job(
            "experiments.papers.theorems.convergence_rate:run",
            {"loss": name, "alpha": alpha, "beta": beta, "duration": duration, "tolerance": TOLERANCE},
            libraries=("numpy", "scipy"),
        )
        for alpha, beta in DAMPINGS
        for name in LINES
    ]


def run(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The loss along the solution, and the bound."""
    alpha, beta, line = configuration["alpha"], configuration["beta"], LINES[configuration["loss"]]
    t = np.concatenate([[0.0], np.geomspace(1e-2, configuration["duration"], POINTS)])
    solution = solve(line, alpha, beta, t, configuration["tolerance"])
    loss = line.loss(solution.theta)
    energy = energies(loss, solution.velocity**2, alpha, beta).total
    # The inequality is used as soon as the trajectory stays where 0 is the only critical point.
    outside = np.flatnonzero(np.abs(solution.theta) > line.radius)
    begin = int(outside[-1]) + 1 if len(outside) else 0
    exponent, constant = kurdyka(line, alpha, beta, float(energy[begin]))
    above = bound(t[begin:] - t[begin], energy[begin], exponent, quasi_gradient_constant(alpha, beta) * constant)
    late = (t >= configuration["duration"] / 10) & (np.abs(loss) > FLOOR)
    slope = np.polyfit(np.log(t[late]), np.log(np.abs(loss[late])), 1)[0] if late.sum() > POINTS / 20 else None
    return {
        "t": t.tolist(),
        "loss": loss.tolist(),
        "bound": [*[None] * begin, *(above / (2 * (1 + alpha * beta))).tolist()],
        "exponent": exponent,
        "slope": slope,
        "largest_t_loss": float((t * np.abs(loss))[t >= 1].max()),
        "last_t_loss": float(t[-1] * abs(loss[-1])),
        "energy_to_bound": float(np.max(energy[begin:] / np.maximum(above, FLOOR))),
    }


def kurdyka(line: Line, alpha: float, beta: float, highest: float) -> tuple[float, float]:
    """a, and the largest k with ‖∂E‖² >= k E^(2a) where 0 < E <= ``highest``, within the radius: the least on a grid.

    The grid is in θ and the ratio m/g, which E and ‖∂E‖² depend on in the same way at all scales.
    """
    exponent = max(0.5, 1 - 1 / line.power)
    ratios = np.geomspace(1e-4, 1e6, 1001)
    sides = np.geomspace(1e-5, line.radius, 400)
    theta, ratio = np.meshgrid(np.concatenate([-sides, sides]), np.concatenate([-ratios, [0.0], ratios]))
    g = line.slope(theta)
    m = ratio * g
    energy = energies(line.loss(theta), m**2, alpha, beta).total
    steepness = sum(np.square(slope) for slope in energy_gradient(m, g, alpha, beta))
    inside = (energy > 0) & (energy <= highest)
    least = float(np.min(steepness[inside] / energy[inside] ** (2 * exponent)))
    # At θ = 0, where J has a kink, g can be such that ∂E/∂θ vanishes.
    at_kink = 4 / beta**2 * highest ** (1 - 2 * exponent)
    return exponent, min(least, at_kink)


def bound(t: np.ndarray, start: float, exponent: float, rate: float) -> np.ndarray:
    """The solution of ė = −rate · e^(2a) from ``start``.

    Example:
        >>> bound(np.array([0.0, 1.0]), 1.0, 1.0, 1.0)
        array([1. , 0.5])
    """
    if exponent == 0.5:
        return start * np.exp(-rate * t)
    power = 1 - 2 * exponent
    return (start**power - power * rate * t) ** (1 / power)


def report(results: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Figure, CSV and table."""
    cases = [(name, *damping) for damping in DAMPINGS for name in LINES]
    found = dict(zip(cases, results, strict=True))
    rows = [
        {"loss": name, "alpha": alpha, "beta": beta, "t": f"{t:.5g}", "J": f"{loss:.5g}"}
        | {"bound": "" if above is None else f"{above:.5g}"}
        for (name, alpha, beta), result in found.items()
        for t, loss, above in list(zip(result["t"], result["loss"], result["bound"], strict=True))[::5]
    ]
    write_csv(folder / "convergence_rate.csv", rows)
    _draw(found, folder / "convergence_rate")
    header = ["loss", "a of E", "predicted", "found, α = 0.5, β = 0.1", "found, α = 2, β = 1"]
    header += ["largest t·J for t >= 1", "t·J at the end", "E within its bound", "bound over J at the end"]
    table = []
    for name, line in LINES.items():
        keys = [(name, *damping) for damping in DAMPINGS]
        both = [found[key] for key in keys]
        predicted = "exponential" if line.power <= 2 else f"t^{-line.power / (line.power - 2):.3f}"
        table.append(
            [
                name.replace("|", "\\|"),
                f"{both[0]['exponent']:.3f}",
                predicted,
                *("0" if r["slope"] is None else f"t^{r['slope']:.3f}" for r in both),
                f"{max(r['largest_t_loss'] for r in both):.2g}",
                f"{max(r['last_t_loss'] for r in both):.1g}",
                "yes" if max(r["energy_to_bound"] for r in both) <= 1 + TOLERANCE else "no",
                _looseness(both),
            ]
        )
    return (
        f"{markdown_table(header, table)}\n\n*Found* is the slope of log J over log t in the last decade of t, which "
        f"ends at {results[0]['t'][-1]:g}; a loss below {FLOOR:g} is rounding error."
    )


def _looseness(both: Sequence[Mapping[str, Any]]) -> str:
    factors = [r["bound"][-1] / abs(r["loss"][-1]) for r in both if abs(r["loss"][-1]) > FLOOR]
    return " and ".join(f"{factor:.0f}" for factor in factors) or "–"


def _draw(found: Mapping[tuple[str, float, float], Mapping[str, Any]], path: Path) -> None:
    alpha, beta = DAMPINGS[0]
    title = f"α = {alpha:g}, β = {beta:g}"
    with drawing(path, title, len(LINES) // 2, 2, height=9.5, sharex=True) as (figure, axes):
        for axis, name in zip(axes.flat, LINES, strict=True):
            result = found[name, alpha, beta]
            t, loss = np.array(result["t"]), np.abs(result["loss"])
            above = np.array([np.nan if value is None else value for value in result["bound"]])
            loss, above = (np.where(values > FLOOR, values, np.nan) for values in (loss, above))
            axis.loglog(t[1:], loss[1:], color=OPTIMIZERS["INDIAN"].colour, label="J(θ(t))")
            axis.loglog(t[1:], above[1:], "k--", linewidth=1, label="bound of the proof")
            axis.loglog(t[t >= 1], result["largest_t_loss"] / t[t >= 1], color="C3", linestyle=":", label="C/t")
            axis.set(title=name, ylim=(1e-18, 1e2))
            axis.grid(alpha=0.25)
        for axis in axes[-1]:
            axis.set_xlabel("t")
        legend_below(figure, axes.flat)
