"""The figure of the demo: training loss, test accuracy, and the distance between the frameworks' trajectories."""

from collections.abc import Sequence, Sized
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from experiments.demo.distances import pairwise_distances
from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.optimizers import EPSILON_IN_ADAM, OPTIMIZERS
from experiments.demo.tables import Runs, pair_title
from experiments.lib.figures import WIDTH, write
from experiments.lib.styles import READABLE, styles

__all__ = ["draw"]

_COLOURS: Final = {name: style.colour for name, style in styles(OPTIMIZERS).items()}

# From the lowest line to the topmost, so that lines on top of each other can all be seen.
_STYLES: Final[tuple[dict[str, Any], ...]] = (
    {"linewidth": 7, "alpha": 0.3, "solid_capstyle": "butt"},
    {"linewidth": 2},
    {"linewidth": 2.5, "linestyle": (0, (0.1, 3)), "dash_capstyle": "round", "color": "black"},
)

_ACCURACY_OF_INTEREST: Final = 0.9
"""Where the axis of the test accuracy begins, if every run ends above it."""


def draw(runs: Runs, path: Path) -> None:
    """Draw the figure and write it as PNG and SVG.

    Args:
        runs: At least one.
        path: Of the files.
    """
    frameworks = list(next(iter(runs.values())))
    compared = len(frameworks) > 1
    with matplotlib.rc_context(READABLE):
        layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08)
        figure = Figure(figsize=(WIDTH, 7.2 if compared else 3.6), layout=layout)
        grid = figure.add_gridspec(2 if compared else 1, 6)
        figure.suptitle(_title(runs), fontsize=12, fontweight="bold")
        _draw_curves(figure.add_subplot(grid[0, :3]), figure.add_subplot(grid[0, 3:]), runs)
        if compared:
            first = figure.add_subplot(grid[1, :2])
            others = [figure.add_subplot(grid[1, i : i + 2], sharey=first) for i in (2, 4)]
            _draw_distances([first, *others], runs)
            if "keras" in frameworks:
                figure.supxlabel(f"{EPSILON_IN_ADAM}.", fontsize=9)
        write(figure, path)


def _title(runs: Runs) -> str:
    frameworks = [FRAMEWORKS[framework].title for framework in runs["INDIAN"]]
    names = " and ".join([", ".join(frameworks[:-1]), frameworks[-1]] if len(frameworks) > 1 else frameworks)
    run = next(iter(runs["INDIAN"].values()))
    steps, dtype = run.evaluation_steps[-1], run.trajectory.dtype
    distances = pairwise_distances(runs["INDIAN"])
    if not distances:
        return f"INDIAN in {names}: {run.test_accuracy[-1]:.1%} of the test digits right after {steps} steps"
    largest = max(values.max() for values in distances.values())
    mantissa, exponent = f"{largest:.1e}".split("e")
    return (
        f"INDIAN in {names}: the trajectories stay within a relative\n"
        rf"distance of ${mantissa}\times10^{{{int(exponent)}}}$ from each other over {steps} steps in {dtype}"
    )


def _draw_curves(loss_axes: Axes, accuracy_axes: Axes, runs: Runs) -> None:
    for optimizer, by_framework in runs.items():
        for style, run in zip(_styles(by_framework), by_framework.values(), strict=True):
            line = {"color": _COLOURS[optimizer]} | style
            loss_axes.plot(run.evaluation_steps, run.training_loss, **line)
            accuracy_axes.plot(run.evaluation_steps, run.test_accuracy, **line)
    loss_axes.set(title="Cross-entropy on all training images", xlabel="step", yscale="log")
    accuracy_axes.set(title="Accuracy on the test images", xlabel="step")
    if all(run.test_accuracy[-1] > _ACCURACY_OF_INTEREST for by in runs.values() for run in by.values()):
        accuracy_axes.set_ylim(_ACCURACY_OF_INTEREST, 1.0)
    accuracy_axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    colours = [Line2D([], [], color=_COLOURS[optimizer], linewidth=4, label=optimizer) for optimizer in runs]
    frameworks = [FRAMEWORKS[framework].title for framework in next(iter(runs.values()))]
    loss_axes.legend(handles=colours, frameon=False, loc="upper right")
    if len(frameworks) > 1:
        accuracy_axes.legend(handles=_style_handles(frameworks), frameon=False, loc="lower right")
    for axes in (loss_axes, accuracy_axes):
        axes.grid(alpha=0.3)


def _draw_distances(panels: list[Axes], runs: Runs) -> None:
    for axes, (optimizer, by_framework) in zip(panels, runs.items(), strict=True):
        distances = pairwise_distances(by_framework)
        steps = next(iter(by_framework.values())).recorded_steps
        for style, values in zip(_styles(distances), distances.values(), strict=True):
            # Distance 0, as at step 0, has no place on a logarithmic axis.
            axes.plot(steps[values > 0], values[values > 0], **({"color": _COLOURS[optimizer]} | style))
        axes.set(title=optimizer, xlabel="step", yscale="log")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("relative distance of trajectories")
    panels[0].legend(handles=_style_handles([pair_title(pair) for pair in distances]), frameon=False)


def _styles(lines: Sized) -> Sequence[dict[str, Any]]:
    """A style for each of some lines on top of each other."""
    return _STYLES[1:2] if len(lines) == 1 else _STYLES[: len(lines)]


def _style_handles(labels: list[str]) -> list[Line2D]:
    return [
        Line2D([], [], **({"color": "dimgray", "label": label} | style))
        for label, style in zip(labels, _styles(labels), strict=True)
    ]
