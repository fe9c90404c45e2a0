"""Figures and tables of training runs: mean curves with the best and the worst as a band, CSV and Markdown."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.lib.figures import drawing, legend_below
from experiments.lib.styles import Style, styles

__all__ = [
    "Band",
    "Panel",
    "band",
    "draw",
    "draw_runs",
    "first_above",
    "first_below",
    "markdown_table",
    "read_csv",
    "spread",
    "write_csv",
    "write_json",
]

Result = Mapping[str, Any]
"""What `experiments.lib.training.train` returns."""


class Band(NamedTuple):
    """A quantity over several runs, as far as all of them got."""

    x: NDArray[np.float64]
    mean: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]


class Panel(NamedTuple):
    """One part of a figure.

    Attributes:
        x: What is on the horizontal axis: a quantity of the runs; its mean over the runs is drawn.
        y: What is on the vertical axis.
        xlabel: Of the horizontal axis.
        ylabel: Of the vertical axis.
        title: Over the panel.
        log: Whether the vertical axis is logarithmic.
        line: Where to draw a horizontal line, and what it is.
        skip: How many points at the start are left out, so that the rest can be told apart.
    """

    x: str
    y: str
    xlabel: str
    ylabel: str
    title: str = ""
    log: bool = False
    line: tuple[float, str] | None = None
    skip: int = 0


def band(results: Sequence[Result], x: str, y: str) -> Band:
    """Mean, lowest and highest of a quantity; a run that ended early ends the curve.

    Example:
        >>> band([{"step": [0, 1], "loss": [2.0, 1.0]}, {"step": [0, 1], "loss": [4.0, 2.0]}], "step", "loss").mean
        array([3. , 1.5])
    """
    n = min(len(result[y]) for result in results)
    xs = np.array([result[x][:n] for result in results], np.float64)
    ys = np.array([result[y][:n] for result in results], np.float64)
    return Band(xs.mean(axis=0), ys.mean(axis=0), ys.min(axis=0), ys.max(axis=0))


def first_below(curve: Band, target: float) -> float | None:
    """Where the mean first is at or below a number, between two points on the straight line; None if it never is.

    Example:
        >>> first_below(band([{"step": [0, 10], "loss": [3.0, 1.0]}], "step", "loss"), 1.5)
        7.5
    """
    return _first_zero(curve.x, curve.mean - target)


def first_above(curve: Band, target: float) -> float | None:
    """As `first_below`, for what should be large."""
    return _first_zero(curve.x, target - curve.mean)


def _first_zero(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    reached = np.flatnonzero(y <= 0)
    if not len(reached):
        return None
    i = int(reached[0])
    if i == 0:
        return float(x[0])
    return float(x[i - 1] + y[i - 1] / (y[i - 1] - y[i]) * (x[i] - x[i - 1]))


def draw(
    path: Path,
    title: str,
    panels: Sequence[Sequence[Panel]],
    runs: Sequence[Sequence[Mapping[str, Sequence[Result]]]],
    limits: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """Draw a figure of rows of panels, and write it as PNG and SVG.

    Mean and band are those of the runs that did not diverge. One that did is a thin line, with a cross at its end.

    Args:
        path: Of the files.
        title: Over the figure.
        panels: Rows of equal length.
        runs: For each panel the runs of every curve, by label.
        limits: Of the vertical axis, by quantity.
    """
    labels = list(dict.fromkeys(label for row in runs for curves in row for label in curves))
    drawn_as = styles(labels)
    height = 0.6 + 3.0 * len(panels) + 0.1 * len(labels)
    with drawing(path, title, len(panels), len(panels[0]), height=height) as (figure, axes):
        for axis, panel, curves in zip(axes.flat, chain(*panels), chain(*runs), strict=True):
            for label, results in curves.items():
                draw_runs(axis, panel, results, drawn_as[label], label)
            if panel.line:
                axis.axhline(panel.line[0], color="black", linewidth=0.8, linestyle=":", label=panel.line[1])
            if panel.log:
                axis.set_yscale("log")
            if limits and panel.y in limits:
                axis.set_ylim(*limits[panel.y])
            axis.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.title)
            axis.grid(alpha=0.25)
        legend_below(figure, axes.flat)


def draw_runs(axis: Any, panel: Panel, results: Sequence[Result], style: Style, label: str) -> None:
    """Draw the curve of some runs and its band, and those that diverged."""
    ended = [result for result in results if not result["diverged"]]
    if ended:
        shown = band(ended, panel.x, panel.y)
        drawn = _drawable(shown.mean, panel)
        axis.plot(
            *(shown.x[drawn], shown.mean[drawn]),
            style.line,
            color=style.colour,
            label=label,
            linewidth=1.4,
            marker=style.marker,
            markersize=4,
            markevery=max(1, int(drawn.sum()) // 8),
        )
        between = (shown.x[drawn], shown.lowest[drawn], shown.highest[drawn])
        axis.fill_between(*between, color=style.colour, alpha=0.2, linewidth=0)
    for result in results:
        if result["diverged"]:
            x, y = np.array(result[panel.x], np.float64), np.array(result[panel.y], np.float64)
            drawn = _drawable(y, panel)
            axis.plot(x[drawn], y[drawn], color=style.colour, label=None if ended else label, linewidth=0.7)
            axis.plot(x[drawn][-1:], y[drawn][-1:], "x", color=style.colour, label=f"{label}: a run that diverged")


def _drawable(y: NDArray[np.float64], panel: Panel) -> NDArray[np.bool_]:
    """Which points: the axes have no room for what a run that diverges ends with."""
    drawn: NDArray[np.bool_] = np.isfinite(y) & (np.abs(y) < 1e6)
    drawn[: panel.skip] = False
    return drawn


def spread(values: Sequence[float], digits: int) -> str:
    """Mean, lowest and highest.

    Example:
        >>> spread([1.0, 2.0], 2)
        '1.50 (1.00–2.00)'
        >>> spread([1.0, float("inf")], 2)
        'diverged in 1 of 2 runs'
    """
    diverged = sum(not np.isfinite(value) for value in values)
    if diverged:
        return f"diverged in {diverged} of {len(values)} runs"
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Example:
        >>> print(markdown_table(["a", "b"], [["1", "2"]]))
        | a | b |
        |---|---|
        | 1 | 2 |
    """
    lines = [header, *rows]
    cells = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([cells[0], "|" + "---|" * len(header), *cells[1:]])


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows under the names of their columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows that `write_csv` wrote, as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_json(path: Path, content: object) -> None:
    """Write what JSON holds, for people to read."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
