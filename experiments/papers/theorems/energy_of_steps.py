"""E along the steps of full-batch INDIAN, for shrinking step sizes.

On a smooth loss, E at step k tends to E at time kγ of the solution, at first order in γ, and below a step size that is
known (`indian_core.energy.largest_monotone_step_size`) no step raises it. Across a kink a step may raise E at every γ.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

from experiments.lib.curves import markdown_table, write_csv
from experiments.lib.figures import drawing
from experiments.lib.runs import Job
from experiments.papers.nonsmooth_valley import loss as valley
from experiments.papers.theorems.landscapes import LANDSCAPES
from indian_core.dynamics import phase_from_velocity, phase_step, pre_form, velocity_from_phase, velocity_step
from indian_core.energy import energies, largest_monotone_step_size
from indian_core.flow import phase_flow
from indian_core.stability import largest_stable_step_size

__all__ = ["jobs", "report", "run_kink", "run_quadratic", "run_smooth"]

SMOOTH: Final = next(iter(LANDSCAPES))
ALPHA, BETA = 0.5, 0.1
DURATION: Final = 10.0
STEP_SIZES: Final = {"quick": 4, "standard": 7}
"""How many, each half the one before."""
LARGEST: Final = {"smooth": 0.016, "kink": 0.004}
DAMPINGS: Final = ((0.5, 0.1), (0.25, 0.8), (2.0, 1.0), (0.1, 0.01))
CURVATURES: Final = (1.0, 10.0, 100.0)
FACTORS: Final = (0.5, 0.99, 1.01, 1.5)


def jobs(scale: str) -> list[Job]:
    """Both losses at each step size, and steps on quadratics."""
    halvings = range(STEP_SIZES.get(scale, STEP_SIZES["standard"]))
    module, libraries = "experiments.papers.theorems.energy_of_steps", ("numpy", "scipy")
    found = [
        Job(
            f"{module}:run_{kind}",
            {"step_size": LARGEST[kind] / 2**i, "alpha": ALPHA, "beta": BETA, "duration": DURATION},
            libraries=libraries,
        )
        for kind in ("smooth", "kink")
        for i in halvings
    ]
    return [*found, Job(f"{module}:run_quadratic", {"starts": 10_000, "seed": 0}, libraries=libraries)]


def run_smooth(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """E at each step and at the same time of the solution."""
    step_size, alpha, beta = (configuration[name] for name in ("step_size", "alpha", "beta"))
    landscape = LANDSCAPES[SMOOTH]
    theta, n = np.array(landscape.start), len(landscape.start)
    phase = phase_from_velocity(theta, np.array(landscape.velocity), alpha, beta)
    steps = round(configuration["duration"] / step_size)

    def rates(_: float, state: np.ndarray) -> np.ndarray:
        return np.concatenate(phase_flow(state[:n], state[n:], landscape.gradient(state[:n]), alpha, beta))

    times, start = step_size * np.arange(steps + 1), np.concatenate([theta, phase])
    span = (0.0, float(times[-1]))
    solved = solve_ivp(rates, span, start, method="DOP853", t_eval=times, rtol=1e-12, atol=1e-14).y
    points = [start]
    for _ in range(steps):
        theta, phase = phase_step(theta, phase, landscape.gradient(theta), step_size, alpha, beta)
        points.append(np.concatenate([theta, phase]))
    measured, expected = (_energy(landscape.loss, states, alpha, beta) for states in (np.transpose(points), solved))
    return {"distance": float(np.abs(measured - expected).max())} | _described(measured, times)


def run_kink(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """E at each step down the valley of the paper's Figure 1, from rest."""
    step_size, alpha, beta = (configuration[name] for name in ("step_size", "alpha", "beta"))
    theta = np.array(valley.START)
    phase = phase_from_velocity(theta, beta * valley.gradient(theta), alpha, beta)
    points = [np.concatenate([theta, phase])]
    for _ in range(round(configuration["duration"] / step_size)):
        theta, phase = phase_step(theta, phase, valley.gradient(theta), step_size, alpha, beta)
        points.append(np.concatenate([theta, phase]))
    return _described(_energy(valley.loss, np.transpose(points), alpha, beta), step_size * np.arange(len(points)))


def run_quadratic(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """How many steps from random points raise E, on quadratics, at multiples of the largest monotone step size."""
    generator = np.random.default_rng(configuration["seed"])
    # The increase is a quadratic form, so only the direction of (θ̇, g) matters.
    angle = generator.uniform(0, np.pi, configuration["starts"])
    rows = []
    for alpha, beta in DAMPINGS:
        for curvature in CURVATURES:
            largest = largest_monotone_step_size(curvature, alpha, beta)
            row = {"alpha": alpha, "beta": beta, "curvature": curvature, "largest_monotone": largest}
            row["largest_stable"] = largest_stable_step_size(curvature, alpha, beta)
            for factor in FACTORS:
                raised = _raised(factor * largest, alpha, beta, curvature, angle)
                row[f"raised_at_{factor:g}"] = int(np.count_nonzero(raised > 0))
            rows.append(row)
    return {"rows": rows}


def _raised(step_size: float, alpha: float, beta: float, curvature: float, angle: np.ndarray) -> np.ndarray:
    # In units in which −dE/dt is 2.
    speed, gradient = np.cos(angle) / np.sqrt(alpha), np.sin(angle) / np.sqrt(beta)
    theta, velocity = gradient / curvature, speed + beta * gradient
    displacement, after = velocity_step(theta, velocity, gradient, pre_form(step_size, alpha, beta))
    # θ⁺² − θ² as a product: the difference of two large numbers where the curvature is small.
    change = curvature * displacement * (theta + displacement / 2)
    return energies(change, (after - velocity) * (after + velocity), alpha, beta).total


def _energy(loss: Any, states: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    theta, phase = np.split(states, 2)
    velocity = velocity_from_phase(theta, phase, alpha, beta)
    return np.asarray(energies(loss(theta), (velocity**2).sum(axis=0), alpha, beta).total)


def _described(energy: np.ndarray, times: np.ndarray) -> dict[str, Any]:
    raises = np.diff(energy)
    every = max(1, len(times) // 1000)
    return {
        "t": times[::every].tolist(),
        "energy": energy[::every].tolist(),
        "start": float(energy[0]),
        "end": float(energy[-1]),
        "steps": len(raises),
        "raising_steps": int(np.count_nonzero(raises > 1e-14 * energy[0])),
        "largest_raise": float(max(raises.max(), 0.0)),
        "sum_of_raises": float(np.maximum(raises, 0).sum()),
    }


def report(results: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Figure, CSV files and tables."""
    n = (len(results) - 1) // 2
    smooth, kink, quadratic = results[:n], results[n : 2 * n], results[-1]["rows"]
    sizes = {kind: [LARGEST[kind] / 2**i for i in range(n)] for kind in LARGEST}
    rows = [
        {"loss": kind, "step_size": size} | {key: value for key, value in result.items() if key not in ("t", "energy")}
        for kind, of_kind in (("smooth", smooth), ("kink", kink))
        for size, result in zip(sizes[kind], of_kind, strict=True)
    ]
    write_csv(folder / "energy_of_steps.csv", rows)
    write_csv(folder / "energy_of_steps_on_quadratics.csv", quadratic)
    _draw(sizes, smooth, kink, folder / "energy_of_steps")
    orders = [None, *(float(np.log2(a["distance"] / b["distance"])) for a, b in pairwise(smooth))]
    first = markdown_table(
        ["γ", "largest distance of E to E of the solution", "order in γ", "steps that raise E"],
        [
            [f"{size:g}", f"{r['distance']:.2e}", "" if order is None else f"{order:.2f}", _share_that_raises(r)]
            for size, r, order in zip(sizes["smooth"], smooth, orders, strict=True)
        ],
    )
    second = markdown_table(
        ["γ", "steps that raise E", "largest raise", "sum of all raises", "E at the end"],
        [
            [
                f"{size:.3g}",
                _share_that_raises(r),
                *(f"{r[key]:.2g}" for key in ("largest_raise", "sum_of_raises", "end")),
            ]
            for size, r in zip(sizes["kink"], kink, strict=True)
        ],
    )
    third = markdown_table(
        ["α", "β", "curvature", "largest stable γ", "largest monotone γ", *(f"× {factor:g}" for factor in FACTORS)],
        [
            [f"{row[key]:.4g}" for key in ("alpha", "beta", "curvature", "largest_stable", "largest_monotone")]
            + [str(row[f"raised_at_{factor:g}"]) for factor in FACTORS]
            for row in quadratic
        ],
    )
    damping = f"α = {ALPHA:g}, β = {BETA:g}"
    return (
        f"{SMOOTH}, {damping}, t up to {DURATION:g}:\n\n{first}\n\n"
        f"The valley of Figure 1, {damping}, from rest, t up to {DURATION:g}:\n\n{second}\n\n"
        "Quadratics; how many of 10 000 steps from random points raise E at multiples of the largest monotone γ:\n\n"
        f"{third}"
    )


def _share_that_raises(result: Mapping[str, Any]) -> str:
    return f"{result['raising_steps']} of {result['steps']}"


def _draw(
    sizes: Mapping[str, Sequence[float]],
    smooth: Sequence[Mapping[str, Any]],
    kink: Sequence[Mapping[str, Any]],
    path: Path,
) -> None:
    with drawing(path, rows=3, height=9.5) as (_, axes):
        *upper, last = axes.flat
        for axis, kind, of_kind in zip(upper, ("smooth", "kink"), (smooth, kink), strict=True):
            for size, result in list(zip(sizes[kind], of_kind, strict=True))[::2]:
                axis.semilogy(result["t"], result["energy"], linewidth=1, label=f"γ = {size:.3g}")
            axis.set(xlabel="kγ", ylabel="E", title=SMOOTH if kind == "smooth" else "the valley of Figure 1")
        distances, raises = [r["distance"] for r in smooth], [r["largest_raise"] for r in kink]
        last.loglog(sizes["smooth"], distances, "o-", label="smooth: distance\nof E to the solution's")
        last.loglog(sizes["kink"], raises, "s-", label="valley: largest\nraise by a step")
        reference = np.array(sizes["kink"])
        last.loglog(reference, raises[0] * reference / reference[0], "k:", label="∝ γ")
        last.set(xlabel="γ")
        for axis in axes.flat:
            axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
            axis.grid(alpha=0.25)
