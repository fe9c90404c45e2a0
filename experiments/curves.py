"""Figures and tables of training runs: mean curves with the best and the worst as a band, CSV and Markdown."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from numpy.typing import NDArray

matplotlib.use("Agg")
import matplotlib.pyplot as plt

__all__ = [
    "Band",
    "Panel",
    "band",
    "draw",
    "first_above",
    "first_below",
    "markdown_table",
    "spread",
    "write_csv",
    "write_json",
]

Result = Mapping[str, Any]
"""What `experiments.training.train` returns."""


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
    """Draw a figure of rows of panels, and write it as PNG.

    Args:
        path: Of the file.
        title: Over the figure.
        panels: Rows of equal length.
        runs: For each panel the runs of every curve, by label.
        limits: Of the vertical axis, by quantity.
    """
    columns = len(panels[0])
    figure, axes = plt.subplots(
        len(panels), columns, figsize=(5.2 * columns, 4.1 * len(panels)), squeeze=False, layout="constrained"
    )
    labels = list(dict.fromkeys(label for row in runs for curves in row for label in curves))
    colours = {label: f"C{i}" for i, label in enumerate(labels)}
    for axis, panel, curves in zip(axes.flat, chain(*panels), chain(*runs), strict=True):
        for label, results in curves.items():
            shown = band(results, panel.x, panel.y)
            # The axes have no room for what a run that diverges ends with.
            finite = np.isfinite(shown.mean) & (shown.mean < 1e6)
            finite[: panel.skip] = False
            axis.plot(shown.x[finite], shown.mean[finite], color=colours[label], label=label, linewidth=1.4)
            axis.fill_between(
                *(shown.x[finite], shown.lowest[finite], shown.highest[finite]),
                color=colours[label],
                alpha=0.2,
                linewidth=0,
            )
        if panel.line:
            axis.axhline(panel.line[0], color="black", linewidth=0.8, linestyle=":", label=panel.line[1])
        if panel.log:
            axis.set_yscale("log")
        if limits and panel.y in limits:
            axis.set_ylim(*limits[panel.y])
        axis.set(xlabel=panel.xlabel, ylabel=panel.ylabel, title=panel.title)
        axis.grid(alpha=0.25)
    axes.flat[0].legend(fontsize="small")
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, dpi=100)
    plt.close(figure)


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


def write_json(path: Path, content: object) -> None:
    """Write what JSON holds, for people to read."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
