"""A figure of what single runs ended with, where a mean would hide the spread."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter

__all__ = ["draw_dots"]


def draw_dots(
    path: Path, title: str, panels: Mapping[str, Mapping[str, Sequence[float]]], xlabel: str, *, log: bool = False
) -> None:
    """Draw a dot for each run and a bar at the mean, in a row for each label, and write it as PNG.

    Args:
        path: Of the file.
        title: Over the figure.
        panels: By title, one below the other: the values of the runs by label.
        xlabel: What the values are.
        log: Whether the axis of the values is logarithmic.
    """
    heights = [1 + 0.28 * len(rows) for rows in panels.values()]
    figure, axes = plt.subplots(
        len(panels), figsize=(9, sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, (name, rows) in zip(axes.flat, panels.items(), strict=True):
        for place, values in enumerate(rows.values()):
            axis.plot(values, [place] * len(values), "o", color="C0", alpha=0.5)
            axis.plot(sum(values) / len(values), place, "|", color="black", markersize=14)
        axis.set_yticks(range(len(rows)), list(rows))
        axis.invert_yaxis()
        axis.set(xlabel=xlabel, title=name)
        if log:
            axis.set_xscale("log")
            # Within two decades these, too, would be labelled, and the labels overlap.
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.25)
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, dpi=100)
    plt.close(figure)
