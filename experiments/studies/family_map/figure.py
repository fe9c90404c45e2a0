"""The map as a picture: for each task, training loss above test accuracy."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from experiments.lib.figures import drawing, legend_below
from experiments.studies.family_map.outcomes import Outcome, TaskMap, best
from experiments.studies.family_map.points import DEFAULT_PAIR, Point, nesterov, place

__all__ = ["draw"]

ADAM_GAP: Final = 1.25
"""Between the map and the column of Adam, as a factor on the logarithmic axis."""

MARKS: Final = "abcdefgh"

DASHED: Final = (0, (2, 1))

Key = TypeVar("Key", bound=Hashable)


class Quantity(NamedTuple):
    """What a panel shows.

    Attributes:
        name: In the results.
        title: Over the panel.
        label: Of the colours: how a value differs from Adam's best.
        colors: Blue is better than Adam. Red and blue can be told apart by the colour-blind.
    """

    name: str
    title: str
    label: str
    colors: str

    def against(self, value: float, adam: float) -> float:
        """How a value differs from Adam's best."""
        if self.name.endswith("loss"):
            return float(np.log2(max(value, 1e-12) / max(adam, 1e-12)))
        return 100 * (value - adam)

    def text(self, value: float) -> str:
        """A value in a cell."""
        return f"{value:#.3g}" if self.name.endswith("loss") else f"{100 * value:.1f}"


QUANTITIES: Final = (
    Quantity("training_loss", "training loss", "log₂ (loss / loss of Adam's best)", "RdBu_r"),
    Quantity("test_accuracy", "test accuracy, %", "points above Adam's best", "RdBu"),
)


class Cell(NamedTuple):
    """A rectangle on the axes β/γ and 1/(1 − μ), both logarithmic."""

    left: float
    right: float
    bottom: float
    top: float

    def number(self, marks: Sequence[tuple[float, float]] = ()) -> tuple[float, float]:
        """Where the number stands: in the middle, or out of the way of a mark."""
        height = 0.5
        for x, y in marks:
            if self.left < x < self.right and self.bottom < y < self.top:
                height = 0.75 if y < np.sqrt(self.bottom * self.top) else 0.25
        return float(np.sqrt(self.left * self.right)), float(self.bottom * (self.top / self.bottom) ** height)


def draw(path: Path, title: str, maps: Mapping[str, TaskMap]) -> None:
    """Draw all tasks, and write PNG and SVG."""
    panels = [(task, found, quantity) for task, found in maps.items() for quantity in QUANTITIES]
    with drawing(path, title, len(panels), height=1 + 4.4 * len(panels)) as (figure, axes):
        for axis, panel in zip(axes.flat, panels, strict=True):
            _panel(axis, *panel)
        legend_below(figure, axes.flat)


def _panel(axis: Any, task: str, found: TaskMap, quantity: Quantity) -> None:
    adam = found.adam()
    level = adam.mean(quantity.name)
    cells = _cells(list(found.points))
    right = max(cell.right for cell in cells.values()) * ADAM_GAP
    momenta = list(found.adams)
    adams = dict(zip(momenta, _adam_cells(momenta, right), strict=True))
    shown = [(cells[point], outcome) for point, outcome in found.points.items()]
    shown += [(adams[momentum], outcome) for momentum, outcome in found.adams.items()]
    fine = [quantity.against(o.mean(quantity.name), level) for _, o in shown if not o.diverged()]
    most = max(2 * float(np.median(np.abs(fine or [0.5]))), 1e-3)
    colors, norm = plt.get_cmap(quantity.colors), Normalize(-most, most)
    marks = [_position(outcome) for outcome in found.pairs.values()]
    for cell, outcome in shown:
        _fill(axis, cell, outcome, quantity, level, colors, norm, marks)
    _frame(axis, adams[_key(found.adams, adam)], "-")
    _frame(axis, cells[_key(found.points, best(found.side(beyond=True)))], "-")
    _frame(axis, cells[_key(found.points, best(found.side(beyond=False)))], DASHED)
    top = _lines(axis, momenta, cells)
    _marks(axis, found, top)
    _axes(axis, found, adams)
    axis.set_title(f"{task}: {quantity.title} (Adam's best: {quantity.text(level)})")
    axis.figure.colorbar(plt.cm.ScalarMappable(norm, colors), ax=axis, label=quantity.label, extend="both", pad=0.01)


def _fill(
    axis: Any,
    cell: Cell,
    outcome: Outcome,
    quantity: Quantity,
    level: float,
    colors: Any,
    norm: Normalize,
    marks: Sequence[tuple[float, float]],
) -> None:
    width, height = cell.right - cell.left, cell.top - cell.bottom
    if outcome.diverged():
        color, text = (0.85, 0.85, 0.85, 1.0), f"{outcome.diverged()} of {len(outcome.runs)}\ndiverged"
    else:
        value = outcome.mean(quantity.name)
        color, text = colors(norm(quantity.against(value, level))), quantity.text(value)
    hatch = "///" if outcome.diverged() else None
    axis.add_patch(
        Rectangle((cell.left, cell.bottom), width, height, facecolor=color, edgecolor="white", hatch=hatch, linewidth=1)
    )
    dark = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] < 0.5
    axis.text(
        *cell.number(marks),
        text,
        ha="center",
        va="center",
        fontsize=6.5 if outcome.diverged() else 9,
        color="white" if dark else "black",
        # Over the lines; an outline in its place makes each number many paths.
        bbox={"facecolor": color, "edgecolor": "none", "pad": 0.6},
        zorder=5,
    )


def _frame(axis: Any, cell: Cell, style: Any) -> None:
    width, height = cell.right - cell.left, cell.top - cell.bottom
    axis.add_patch(
        Rectangle(
            (cell.left, cell.bottom), width, height, fill=False, edgecolor="black", ls=style, linewidth=2, zorder=4
        )
    )


def _lines(axis: Any, momenta: Sequence[float], cells: Mapping[Point, Cell]) -> float:
    """Heavy ball, Nesterov and gradient descent, up to the highest place that is returned."""
    bottom, top = min(cell.bottom for cell in cells.values()), max(cell.top for cell in cells.values())
    memory = np.geomspace(bottom, top, 200)
    inside = memory >= 1
    axis.plot(np.ones_like(memory), memory, "k-", lw=1.2, label="heavy ball, β/γ = 1")
    axis.plot(
        [nesterov(1 - 1 / each) for each in memory[inside]],
        memory[inside],
        "k--",
        lw=1.2,
        label="Nesterov, β/γ = 1 + μ",
    )
    descent = memory[memory <= max(cell.right for cell in cells.values())]
    axis.plot(descent, descent, "k:", lw=1.5, label="gradient descent, αβ = 1")
    return top


def _marks(axis: Any, found: TaskMap, top: float) -> None:
    """Where the papers' settings and the default are, with the learning rate that each chose."""
    highest = top
    for mark, (pair, outcome) in zip(MARKS, found.pairs.items(), strict=False):
        ratio, memory = _position(outcome)
        highest = max(highest, 1.35 * memory)
        axis.plot(ratio, memory, "o", ms=9, mfc="gold", mec="black", zorder=6)
        axis.annotate(mark, (ratio, memory), ha="center", va="center", fontsize=7, fontweight="bold", zorder=7)
        name = f"{mark}: (α, β) = ({pair[0]:g}, {pair[1]:g}){', the default' if pair == DEFAULT_PAIR else ''}"
        axis.plot([], [], "o", mfc="gold", mec="black", ls="none", label=name)
    axis.set_ylim(top=highest)
    axis.add_patch(Rectangle((1, 1), 0, 0, fill=False, lw=2.5, label="best trial beyond Nesterov, and Adam"))
    axis.add_patch(Rectangle((1, 1), 0, 0, fill=False, lw=2.5, ls=DASHED, label="best trial up to Nesterov"))


def _position(outcome: Outcome) -> tuple[float, float]:
    at = place(outcome.chosen)
    return at.ratio, 1 / (1 - at.momentum)


def _axes(axis: Any, found: TaskMap, adams: Mapping[float, Cell]) -> None:
    momenta = list(adams)
    ratios = sorted({point.ratio for point in found.points if point.ratio in (0.5, 1.0) or point.ratio > 2})
    column = next(iter(adams.values()))
    axis.set(xscale="log", yscale="log", xlabel="Newton damping β/γ", ylabel="momentum μ = 1 − αγ")
    axis.set_xticks([*ratios, column.number()[0]], [*(f"{ratio:g}" for ratio in ratios), "Adam,\nβ₁ = μ"])
    axis.set_yticks([1 / (1 - momentum) for momentum in momenta], [f"{momentum:g}" for momentum in momenta])
    axis.minorticks_off()
    axis.set_xlim(min(axis.get_xlim()[0], 0.36), column.right * 1.02)
    axis.set_ylim(bottom=min(cell.bottom for cell in adams.values()))
    axis.grid(False)


def _cells(points: Sequence[Point]) -> dict[Point, Cell]:
    """The cells' edges are in the middle between neighbours, on the logarithmic axes."""
    momenta = sorted({point.momentum for point in points})
    heights = _edges([1 / (1 - momentum) for momentum in momenta])
    cells = {}
    for momentum, (bottom, top) in zip(momenta, heights, strict=True):
        row = sorted(point for point in points if point.momentum == momentum)
        for point, (left, right) in zip(row, _edges([point.ratio for point in row]), strict=True):
            cells[point] = Cell(left, right, bottom, top)
    return cells


def _adam_cells(momenta: Sequence[float], left: float) -> list[Cell]:
    heights = _edges([1 / (1 - momentum) for momentum in momenta])
    return [Cell(left, 1.7 * left, bottom, top) for bottom, top in heights]


def _edges(centers: Sequence[float]) -> list[tuple[float, float]]:
    """Of intervals around numbers that grow; the outer ones end as far away as they begin."""
    if len(centers) == 1:
        return [(centers[0] / 1.4, centers[0] * 1.4)]
    between = [float(np.sqrt(a * b)) for a, b in pairwise(centers)]
    edges = [centers[0] ** 2 / between[0], *between, centers[-1] ** 2 / between[-1]]
    return list(pairwise(edges))


def _key(outcomes: Mapping[Key, Outcome], wanted: Outcome) -> Key:
    return next(key for key, outcome in outcomes.items() if outcome is wanted)
