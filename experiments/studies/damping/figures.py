"""The figures: gains over the damping, final runs, their curves, all tasks at a glance; each as PNG and as SVG."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib

from experiments.lib.curves import Panel, draw_runs
from experiments.lib.figures import write
from experiments.lib.styles import READABLE, Style, styles
from experiments.lib.tuning import final as end_of
from experiments.studies.damping.contestants import AT_EQUAL_HYPERPARAMETERS, BASES, VARIANTS
from experiments.studies.damping.plans import Plan
from experiments.studies.damping.stages import (
    CHOSEN_BY,
    Finals,
    Searched,
    at_equal_hyperparameters,
    losses_by_damping,
)

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.transforms import blended_transform_factory

__all__ = ["draw_curves", "draw_ends", "draw_gains", "draw_summary"]

_WIDTH = 8.0

_TITLE: Final = 90
"""Characters of a line of a title that fit this width."""
_MARKERS = ("o", "s", "^", "D", "v")


def draw_gains(path: Path, title: str, plan: Plan, searched: Mapping[str, Searched]) -> None:
    """The loss without extra damping less that with it, at the same η and μ: a line for each η, a panel for each μ."""
    shown = {
        label: losses_by_damping(plan, searched, label)
        for label in plan.variants
        if len(plan.variants[label]) + len(VARIANTS[label].same) > 1
    }
    momenta = plan.grid.momenta
    with plt.rc_context(READABLE):
        figure, axes = plt.subplots(
            *(len(shown), len(momenta)),
            figsize=(_WIDTH, 0.7 + 2.6 * len(shown)),
            sharey="row",
            squeeze=False,
            layout="constrained",
        )
        for row, (label, cells) in zip(axes, shown.items(), strict=True):
            for axis, momentum in zip(row, momenta, strict=True):
                for place, lr in enumerate(plan.grid.learning_rates):
                    _draw_gain(axis, cells[lr, momentum], _shade(label, place, plan), f"η = {lr:g}")
                axis.axhline(0, color="black", linewidth=0.8)
                axis.set(title=f"{label}, μ = {momentum:g}", xlabel="damping r")
                axis.grid(alpha=0.25)
            row[0].set_ylabel("gain over the smallest r")
            row[-1].legend(frameon=False)
        figure.suptitle("\n".join(textwrap.wrap(title, _TITLE)), fontsize=11)
        write(figure, path)


def _draw_gain(axis: Any, losses: Mapping[float, float], style: Style, label: str) -> None:
    start = losses[min(losses)]
    points = [(r, start - loss) for r, loss in losses.items() if math.isfinite(start - loss)]
    axis.plot(*zip(*points, strict=True), style.line, color=style.colour, marker=style.marker, label=label)


def _shade(label: str, place: int, plan: Plan) -> Style:
    """The colour of the optimizer, paler for smaller learning rates."""
    share = (place + 1) / len(plan.grid.learning_rates)
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(styles([label])[label].colour))
    return Style(matplotlib.colors.to_hex((red, green, blue)), _MARKERS[place % len(_MARKERS)])


def draw_ends(path: Path, title: str, plan: Plan, finals: Finals) -> None:
    """The validation loss at the end of each final run, and the mean, in a row for each entry, the best on top."""
    ends = {label: [end_of(result, CHOSEN_BY) for result in results] for label, (_, results) in finals.items()}
    finite = {label: values for label, values in ends.items() if all(map(math.isfinite, values))}
    order = sorted(finite, key=lambda label: sum(finite[label]))
    drawn_as = styles(finals)
    base = BASES[plan.family][0]
    with plt.rc_context(READABLE):
        figure, axis = plt.subplots(figsize=(_WIDTH, 1.2 + 0.28 * len(order)), layout="constrained")
        for place, label in enumerate(order):
            values, style = finite[label], drawn_as[label]
            axis.plot(values, [place] * len(values), style.marker, color=style.colour, alpha=0.6)
            axis.plot(sum(values) / len(values), place, "|", color=style.colour, markersize=15, markeredgewidth=2.5)
        if base in finite:
            axis.axvline(sum(finite[base]) / len(finite[base]), color="black", linewidth=0.8, linestyle=":")
        axis.set_yticks(range(len(order)), order)
        # Down, and with room for the marks of the first and the last row.
        axis.set_ylim(len(order) - 0.4, -0.6)
        axis.set(xlabel=f"validation loss after {plan.sizes.steps} steps")
        axis.grid(axis="x", alpha=0.25)
        figure.suptitle("\n".join(textwrap.wrap(title, _TITLE)), fontsize=11)
        write(figure, path)


def draw_curves(path: Path, title: str, plan: Plan, finals: Finals) -> None:
    """The validation loss over steps and over seconds: the base, the best other peer, and the damped base."""
    base, damped = BASES[plan.family]

    def loss(label: str) -> float:
        return sum(end_of(result, CHOSEN_BY) for result in finals[label][1])

    others = [label for label, (entry, _) in finals.items() if entry.label == entry.optimizer and label != base]
    shown = [base, *sorted(others, key=loss)[:1]]
    shown += [label for label, (entry, _) in finals.items() if entry.optimizer == damped]
    drawn_as = styles(shown)
    panels = [Panel(x, CHOSEN_BY, x, "validation loss") for x in ("step", "seconds")]
    with plt.rc_context(READABLE):
        figure, axes = plt.subplots(1, 2, figsize=(_WIDTH, 4.4), sharey=True, layout="constrained")
        for axis, panel in zip(axes, panels, strict=True):
            for label in shown:
                results = [result for result in finals[label][1] if CHOSEN_BY in result]
                draw_runs(axis, panel, results, drawn_as[label], label)
            axis.set(xlabel=panel.xlabel)
            axis.grid(alpha=0.25)
        axes[0].set_ylabel(panels[0].ylabel)
        axes[0].set_ylim(*_interesting([finals[label][1] for label in shown]))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        figure.suptitle("\n".join(textwrap.wrap(title, _TITLE)), fontsize=11)
        write(figure, path)


def draw_summary(path: Path, plans: Mapping[str, Plan], finals: Mapping[str, Finals]) -> None:
    """The end of each final run at the base's own η and μ, less that of the base with the same seed, for all tasks.

    A row for each entry of a task: `at_equal_hyperparameters`. One mark for each seed, and the mean.
    """
    shown = {task: at_equal_hyperparameters(plans[task], found) for task, found in finals.items()}
    drawn_as = styles([*VARIANTS, *AT_EQUAL_HYPERPARAMETERS])
    rows = [(task, label) for task, of_task in shown.items() for label in of_task]
    # A gap between tasks.
    places = [place + 0.9 * list(shown).index(task) for place, (task, _) in enumerate(rows)]
    with plt.rc_context(READABLE):
        figure, axis = plt.subplots(figsize=(_WIDTH, 1.0 + 0.3 * (max(places, default=0) + 1)), layout="constrained")
        for place, (task, label) in zip(places, rows, strict=True):
            values = [value for value in shown[task][label] if math.isfinite(value)]
            style = drawn_as[finals[task][label][0].optimizer]
            axis.plot(values, [place] * len(values), style.marker, color=style.colour, alpha=0.6)
            if values:
                axis.plot(sum(values) / len(values), place, "|", color=style.colour, markersize=15, markeredgewidth=2.5)
        axis.axvline(0, color="black", linewidth=0.8)
        # They would cross the names of the tasks.
        axis.spines[["left", "right", "top"]].set_visible(False)
        axis.set_yticks(places, [label.removesuffix(f", as {BASES[plans[task].family][0]}") for task, label in rows])
        for task, of_task in shown.items():
            if of_task:
                top = places[rows.index((task, next(iter(of_task))))] - 0.75
                name = f"{plans[task].title}, against {BASES[plans[task].family][0]}"
                across = blended_transform_factory(figure.transFigure, axis.transData)
                text = axis.text(0.01, top, name, transform=across, fontsize=10, weight="bold", va="center")
                text.set_in_layout(False)
        axis.set_ylim(max(places, default=0) + 0.6, -1.4)
        axis.set(xlabel="change of the validation loss, same seed (left is better)")
        axis.grid(axis="x", alpha=0.25)
        write(figure, path)


def _interesting(runs: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[float, float]:
    """Limits of the losses from a third of the steps on, where curves can be told apart."""
    values = [
        value
        for results in runs
        for result in results
        if not result["diverged"]
        for value in result[CHOSEN_BY][len(result[CHOSEN_BY]) // 3 :]
    ]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = 0.05 * (high - low) + 1e-6
    return low - margin, high + margin
