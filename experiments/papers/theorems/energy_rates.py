"""Lemma 9: at which rates E_min and E_max fall along solutions, by the paper's formulas and with the signs corrected.

The rates are integrated along the solution, and the integrals compared with what the energies have lost.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

from experiments.lib.curves import markdown_table, write_csv
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import Job
from experiments.lib.styles import OPTIMIZERS
from experiments.papers.theorems.inclusion import solve
from experiments.papers.theorems.landscapes import LANDSCAPES, LINES
from indian_core.dynamics import phase_from_velocity, velocity_from_phase
from indian_core.energy import dissipation, energies
from indian_core.flow import phase_flow

__all__ = ["jobs", "report", "run"]

DAMPINGS: Final = {"quick": ((0.5, 0.1),), "standard": ((0.5, 0.1), (0.5, 0.01), (1.3, 0.1), (0.5, 2.0), (2.0, 1.0))}
KINKED: Final = ("|θ|", "max(−θ, θ²)", "max(−θ, θ⁴)")
DURATION: Final = 20.0
TOLERANCE: Final = 1e-12
POINTS: Final = 400


def jobs(scale: str) -> list[Job]:
    """All losses with all dampings."""
    return [
        Job(
            "experiments.papers.theorems.energy_rates:run",
            {"loss": name, "alpha": alpha, "beta": beta, "duration": DURATION, "tolerance": TOLERANCE},
            libraries=("numpy", "scipy"),
        )
        for alpha, beta in DAMPINGS.get(scale, DAMPINGS["standard"])
        for name in (*LANDSCAPES, *KINKED)
    ]


def run(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What the energies have lost at each time, measured and by the formulas."""
    alpha, beta, name = configuration["alpha"], configuration["beta"], configuration["loss"]
    times = np.linspace(0, configuration["duration"], POINTS)
    if name in LANDSCAPES:
        measured, integrals = _smooth(name, alpha, beta, times, configuration["tolerance"])
    else:
        line = LINES[name]
        solution = solve(line, alpha, beta, times, configuration["tolerance"])
        measured = np.array(energies(line.loss(solution.theta), solution.velocity**2, alpha, beta))
        integrals = solution.dissipated
    lost = measured[:, :1] - measured
    # Lemma 9 as printed gives E_min the rate of E_max, and the other way round.
    formulas = {"corrected": np.vstack([integrals, integrals.sum(axis=0)])}
    formulas["printed"] = formulas["corrected"][[1, 0, 2]]
    errors = {
        f"{formula}_{energy}": float(np.abs(lost[i] - values[i]).max() / measured[2, 0])
        for formula, values in formulas.items()
        for i, energy in enumerate(("minimum", "maximum", "total"))
    }
    rises = {f"rises_{e}": float(np.diff(measured[i]).max()) for i, e in enumerate(("minimum", "maximum", "total"))}
    return {"t": times.tolist(), "lost": lost.tolist(), "integrals": integrals.tolist()} | errors | rises


def _smooth(name: str, alpha: float, beta: float, times: np.ndarray, tolerance: float) -> tuple[Any, Any]:
    """E_min, E_max and E at the times, and the integrated rates; the system is solved in the paper's variables."""
    landscape = LANDSCAPES[name]
    theta, velocity = np.array(landscape.start), np.array(landscape.velocity)
    n = len(theta)

    def rates(_: float, state: np.ndarray) -> np.ndarray:
        g = landscape.gradient(state[:n])
        theta_rate, phase_rate = phase_flow(state[:n], state[n : 2 * n], g, alpha, beta)
        lost = dissipation(phase_rate, g, alpha, beta)
        return np.concatenate([theta_rate, phase_rate, [lost.minimum.sum(), lost.maximum.sum()]])

    start = np.concatenate([theta, phase_from_velocity(theta, velocity, alpha, beta), [0.0, 0.0]])
    span = (0.0, float(times[-1]))
    solved = solve_ivp(rates, span, start, method="DOP853", t_eval=times, rtol=tolerance, atol=tolerance / 100).y
    velocities = velocity_from_phase(solved[:n], solved[n : 2 * n], alpha, beta)
    return np.array(energies(landscape.loss(solved[:n]), (velocities**2).sum(axis=0), alpha, beta)), solved[2 * n :]


def report(results: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Figure, CSV and table."""
    # Every scale begins with the losses in this order.
    names = [*LANDSCAPES, *KINKED]
    dampings = DAMPINGS["standard"][: len(results) // len(names)]
    cases = [(name, *damping) for damping in dampings for name in names]
    rows: list[dict[str, Any]] = [
        {"loss": name, "alpha": alpha, "beta": beta}
        | {key: f"{value:.3g}" for key, value in result.items() if isinstance(value, float)}
        for (name, alpha, beta), result in zip(cases, results, strict=True)
    ]
    write_csv(folder / "energy_rates.csv", rows)
    _draw(results[0], f"{cases[0][0]}; α = {cases[0][1]:g}, β = {cases[0][2]:g}", folder / "energy_rates")
    columns = ["corrected_minimum", "corrected_maximum", "corrected_total", "printed_minimum", "printed_maximum"]
    header = ["loss", "E_min", "E_max", "E", "E_min as printed", "E_max as printed"]
    table = []
    for name in names:
        of_name = [row for row in rows if row["loss"] == name]
        worst = (max(float(row[column]) for row in of_name) for column in columns)
        table.append([name.replace("|", "\\|"), *(f"{value:.0e}" for value in worst)])
    return (
        f"{markdown_table(header, table)}\n\nThe largest difference, over t up to {DURATION:g} and {len(dampings)} "
        "pairs (α, β), between what an energy has lost and its integrated rate, as a share of E at the start."
    )


def _draw(result: Mapping[str, Any], title: str, path: Path) -> None:
    with drawing(path, title, columns=2, height=3.8) as (figure, axes):
        for i, (axis, name) in enumerate(zip(axes.flat, ("E_min", "E_max"), strict=True)):
            t, lost, (corrected, printed) = result["t"], result["lost"][i], result["integrals"][:: 1 - 2 * i]
            axis.plot(t, lost, color=OPTIMIZERS["INDIAN"].colour, linewidth=3, label="lost along the solution")
            axis.plot(t, corrected, "k--", linewidth=1.2, label="integral of the corrected rate")
            axis.plot(t, printed, color="C3", linestyle=":", label="of the rate as printed")
            axis.set(xlabel="t", title=f"{name}(0) − {name}(t)")
            axis.grid(alpha=0.25)
        legend_below(figure, axes.flat)
