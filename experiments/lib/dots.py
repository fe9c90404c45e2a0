"""A figure of what single runs ended with, where a mean would hide the spread."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import NullFormatter

from experiments.lib.figures import drawing
from experiments.lib.styles import styles

__all__ = ["draw_dots"]


def draw_dots(
    path: Path, title: str, panels: Mapping[str, Mapping[str, Sequence[float]]], xlabel: str, *, log: bool = False
) -> None:
    """Draw a dot for each run and a bar at the mean, in a row for each label, and write it as PNG and SVG.

    Args:
        path: Of the files.
        title: Over the figure.
        panels: By title, one below the other: the values of the runs by label.
        xlabel: What the values are.
        log: Whether the axis of the values is logarithmic; it is then the same in all panels.
    """
    heights = [0.9 + 0.24 * len(rows) for rows in panels.values()]
    drawn_as = styles(label for rows in panels.values() for label in rows)
    with drawing(path, title, len(panels), height=0.5 + sum(heights), height_ratios=heights, sharex=log) as (_, axes):
        for axis, (name, rows) in zip(axes.flat, panels.items(), strict=True):
            for place, (label, values) in enumerate(rows.items()):
                style = drawn_as[label]
                axis.plot(values, [place] * len(values), style.marker, color=style.colour, alpha=0.5)
                mean = sum(values) / len(values)
                axis.plot(mean, place, "|", color=style.colour, markersize=14, markeredgewidth=2.5)
            axis.set_yticks(range(len(rows)), list(rows))
            # Down, and with room for the marks of the first and the last row.
            axis.set_ylim(len(rows) - 0.4, -0.6)
            axis.set(xlabel=xlabel, title=name)
            if log:
                axis.set_xscale("log")
                # Within two decades these, too, would be labelled, and the labels overlap.
                axis.xaxis.set_minor_formatter(NullFormatter())
                axis.tick_params(labelbottom=True)
            axis.grid(alpha=0.25)
