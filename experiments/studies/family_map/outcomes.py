"""What came of a contestant, and of a point of the map: the trial that was chosen, and the final runs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from experiments.lib.comparison import Comparison, Contestant, Entry
from experiments.lib.tuning import final
from experiments.studies.family_map.points import Point
from experiments.studies.family_map.tasks import Map

__all__ = ["CHOOSE_BY", "Outcome", "TaskMap", "best", "difference", "read"]

CHOOSE_BY: Final = "validation_loss"


class Outcome(NamedTuple):
    """Of a contestant.

    Attributes:
        label: In tables.
        chosen: Hyperparameters.
        edge: "smallest" or "largest" if the chosen learning rate is that of those that were tried, else empty.
        search_loss: Validation loss at the end of the chosen trial: by it points are compared when one is chosen.
        accuracies: Validation accuracy at the end of all trials; 0 of those that diverged.
        runs: The final ones.
    """

    label: str
    chosen: Mapping[str, float]
    edge: str
    search_loss: float
    accuracies: Sequence[float]
    runs: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, label: str, entry: Entry) -> "Outcome":
        """From what `experiments.lib.comparison.compare` returned."""
        losses = [final(result, CHOOSE_BY) for result in entry.trials]
        rates = [trial["lr"] for trial in entry.contestant.trials]
        edges = {min(rates): "smallest", max(rates): "largest"} if len(rates) > 1 else {}
        accuracies = [0.0 if trial["diverged"] else trial["validation_accuracy"][-1] for trial in entry.trials]
        return cls(label, entry.chosen, edges.get(entry.chosen["lr"], ""), min(losses), accuracies, entry.runs)

    def diverged(self) -> int:
        """How many of the final runs."""
        return sum(run["diverged"] for run in self.runs)

    def ends(self, quantity: str) -> list[float]:
        """Of the final runs; for one that diverged an infinite loss, and an accuracy of 0."""
        lost = 0.0 if "accuracy" in quantity else math.inf
        return [lost if run["diverged"] else run[quantity][-1] for run in self.runs]

    def mean(self, quantity: str) -> float:
        """Of the ends."""
        return float(np.mean(self.ends(quantity)))


class TaskMap(NamedTuple):
    """One task: outcomes by point, by Adam's momentum, of the check, and by (α, β)."""

    points: Mapping[Point, Outcome]
    adams: Mapping[float, Outcome]
    check: tuple[Point, Outcome]
    pairs: Mapping[tuple[float, float], Outcome]

    def side(self, *, beyond: bool) -> list[Outcome]:
        """The points beyond Nesterov, or those with as much Newton damping or less."""
        return [outcome for point, outcome in self.points.items() if point.beyond_nesterov == beyond]

    def adam(self) -> Outcome:
        """Adam's best."""
        return best(self.adams.values())


def read(of: Map, found: Comparison) -> TaskMap:
    """Sort the results of a task by what the contestants are."""

    def outcome(contestant: Contestant) -> Outcome:
        return Outcome.of(contestant.label, found[contestant.label])

    point, check = of.check
    return TaskMap(
        points={at: outcome(contestant) for at, contestant in of.points.items()},
        adams={momentum: outcome(contestant) for momentum, contestant in of.adams.items()},
        check=(point, outcome(check)),
        pairs={pair: outcome(contestant) for pair, contestant in of.pairs.items()},
    )


def best(outcomes: Iterable[Outcome]) -> Outcome:
    """The one whose chosen trial had the smallest validation loss."""
    return min(outcomes, key=lambda outcome: outcome.search_loss)


def difference(one: Outcome, other: Outcome, quantity: str, digits: int, scale: float = 1.0) -> str:
    """One minus the other, seed by seed: the mean, the smallest and the largest."""
    if one.diverged() or other.diverged():
        return "diverged"
    pairs = zip(one.ends(quantity), other.ends(quantity), strict=True)
    values = [scale * (first - second) for first, second in pairs]
    mean, low, high = (f"{value:+.{digits}f}" for value in (np.mean(values), min(values), max(values)))
    return f"{mean} ({low} to {high})".replace("-", "−")
