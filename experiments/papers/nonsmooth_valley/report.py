"""The figure, the tables and the paper's statements as numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

import experiments.papers.nonsmooth_valley
from experiments.lib.command_line import parser
from experiments.lib.comparison import explained
from experiments.lib.curves import markdown_table, read_csv, write_csv, write_json
from experiments.lib.figures import drawing
from experiments.lib.runs import code_version, execute, versions
from experiments.papers.nonsmooth_valley.loss import START, loss
from experiments.papers.nonsmooth_valley.runs import LIBRARIES, TOLERANCE, job

__all__ = ["main", "redraw", "statements"]

SETTINGS: Final = ((0.5, 0.01), (0.5, 0.1), (1.3, 0.1))
"""The paper's (α, β), in its order."""

SPEEDS: Final = {"at rest": 0.0, "the paper's ψ₀": 1.0}
"""Initial speeds s: θ̇(0) = −s ∇J(θ₀). The first is that of the figure's upper row."""


class Scale(NamedTuple):
    """Step size and number of steps."""

    step_size: float
    steps: int


SCALES: Final = {"quick": Scale(1e-3, 15_000), "standard": Scale(1e-4, 150_000), "paper": Scale(1e-4, 150_000)}

Results = dict[tuple[str, tuple[float, float]], Mapping[str, Any]]
"""What `experiments.papers.nonsmooth_valley.runs.descend` returns, by initial speed and (α, β)."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the descents, and write the figure, the tables and the configuration."""
    made = parser("nonsmooth_valley", experiments.papers.nonsmooth_valley.__doc__, ["framework", "scale", "workers"])
    options = made.parse_args(arguments)
    scale, folder = SCALES[options.scale], options.output
    cases = [(name, setting) for name in SPEEDS for setting in SETTINGS]
    jobs = [
        job(options.framework, *setting, initial_speed=SPEEDS[name], step_size=scale.step_size, steps=scale.steps)
        for name, setting in cases
    ]
    with explained():
        computed = execute(jobs, folder / "runs", options.workers, "descents")
    results = dict(zip(cases, computed, strict=True))
    write_csv(folder / "curves.csv", _curve_rows(results))
    redraw(folder)
    write_csv(folder / "oscillations.csv", _oscillation_rows(results))
    configuration = {
        "scale": options.scale,
        "start": START,
        "tolerance": TOLERANCE,
        "runs": [job.configuration for job in jobs],
        "code": code_version(["experiments.papers.nonsmooth_valley.runs", *jobs[0].sources]),
        "versions": versions([*LIBRARIES[options.framework], "indian"]),
    }
    write_json(folder / "configuration.json", configuration)
    text = f"{table(results)}\n\n{statements(results)}"
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def redraw(folder: Path) -> None:
    """Draw the figure from the file of the curves in the folder."""
    results: Results = {}
    for row in read_csv(folder / "curves.csv"):
        key = (row["start"], (float(row["alpha"]), float(row["beta"])))
        result = results.setdefault(key, {"step": [], "theta": [], "loss": []})
        result["step"].append(int(row["step"]))
        result["theta"].append((float(row["theta_1"]), float(row["theta_2"])))
        result["loss"].append(float(row["loss"]))
    draw(results, folder / "figure_1")


def draw(results: Results, path: Path) -> None:
    """Two rows for each initial speed: three trajectories over level sets, and the losses."""
    with drawing(path, rows=2 * len(SPEEDS), columns=2, height=5.2 * len(SPEEDS)) as (_, axes):
        for four, name in zip(axes.reshape(len(SPEEDS), 4), SPEEDS, strict=True):
            for i, (panel, setting) in enumerate(zip(four, SETTINGS, strict=False)):
                result = results[name, setting]
                theta = np.array(result["theta"])
                _level_sets(panel, theta)
                panel.plot(*theta.T, color=f"C{i}", linewidth=1.0)
                panel.plot(*START, "kx", markersize=8)
                panel.plot(1, 1, "k*", markersize=9)
                label = f"α = {setting[0]:g}, β = {setting[1]:g}"
                panel.set(title=f"({'abc'[i]}) {label}; start: {name}", xlabel="θ₁", ylabel="θ₂")
                four[3].semilogy(result["step"], result["loss"], color=f"C{i}", linewidth=0.9, label=label)
            four[3].set(title=f"(d) loss; start: {name}", xlabel="step", ylabel="J(θ)")
            four[3].locator_params(axis="x", nbins=4)
            four[3].legend()
            four[3].grid(alpha=0.25)


def _level_sets(axes: Any, theta: np.ndarray) -> None:
    """Of the loss, where the trajectory goes."""
    low = np.minimum(theta.min(axis=0), -1) - 0.4
    high = np.maximum(theta.max(axis=0), 1) + 0.4
    x, y = np.meshgrid(np.linspace(low[0], high[0], 300), np.linspace(low[1], high[1], 300))
    levels = np.geomspace(0.3, max(100.0, (high[1] - low[1]) ** 2 * 100), 10)
    axes.contour(x, y, loss((x, y)), levels=levels, colors="0.8", linewidths=0.7)


def table(results: Results) -> str:
    """The oscillations of every run."""
    header = ["start", "α", "β", "across", "along", "J below 1e-3 from step", "largest coordinate"]
    header.append("distance to NumPy in 10 000 steps")
    rows = [
        [
            name,
            f"{alpha:g}",
            f"{beta:g}",
            str(result["across"]),
            str(result["along"]),
            f"{result['last_above'] + 1}" if result["loss"][-1] <= TOLERANCE else "not reached",
            f"{result['farthest']:.1f}",
            f"{result['distance_at_first']:.0e}",
        ]
        for (name, (alpha, beta)), result in results.items()
    ]
    note = (
        f"*Across* and *along* count the changes of sign of θ₂ − |θ₁| and of 1 − θ₁, from beyond {TOLERANCE:g} on one "
        f"side to beyond {TOLERANCE:g} on the other."
    )
    return f"{markdown_table(header, rows)}\n\n{note}"


def statements(results: Results) -> str:
    """The paper's statements, whether each held for the start at rest, and the numbers that say so."""
    first, second, third = (results["at rest", setting] for setting in SETTINGS)
    at = 2 * (len(second["loss"]) - 1) // 7
    step, third_loss, second_loss = second["step"][at], third["loss"][at], second["loss"][at]
    third_end, second_end = third["last_above"] + 1, second["last_above"] + 1
    found = [
        (
            "With β too small there are many transverse oscillations, and longitudinal ones near the critical point",
            first["across"] > 10 and first["along"] > 2,
            f"(0.5, 0.01) changes sides {first['across']} times across and {first['along']} times along",
        ),
        (
            "A larger β reduces the transverse ones",
            second["across"] < first["across"],
            f"{first['across']} with β = 0.01, {second['across']} with 0.1",
        ),
        (
            "A larger α reduces the longitudinal ones",
            third["along"] < second["along"],
            f"{second['along']} with α = 0.5, {third['along']} with 1.3",
        ),
        (
            "The third choice is the slower one for a while, and remarkably good in the end",
            third_loss > second_loss and third_end < second_end,
            f"after {step} steps the loss is {third_loss:.2g}, with α = 0.5 {second_loss:.2g}; it stays below "
            f"{TOLERANCE:g} from step {third_end} on, with α = 0.5 from {second_end}",
        ),
    ]
    return "\n".join(
        f"{i}. *{claim}.* {'Held' if held else 'Did not hold'}: {numbers}."
        for i, (claim, held, numbers) in enumerate(found, start=1)
    )


def _curve_rows(results: Results) -> list[dict[str, Any]]:
    return [
        {"start": name, "alpha": alpha, "beta": beta, "step": step, "theta_1": f"{x:.6g}", "theta_2": f"{y:.6g}"}
        | {"loss": f"{value:.6g}"}
        for (name, (alpha, beta)), result in results.items()
        for step, (x, y), value in list(zip(result["step"], result["theta"], result["loss"], strict=True))[::5]
    ]


def _oscillation_rows(results: Results) -> list[dict[str, Any]]:
    counted = ("across", "along", "across_at_all", "along_at_all", "last_above", "farthest")
    distances = ("distance_at_first", "distance")
    return [
        {"start": name, "alpha": alpha, "beta": beta} | {key: result[key] for key in (*counted, *distances)}
        for (name, (alpha, beta)), result in results.items()
    ]
