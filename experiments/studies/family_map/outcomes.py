"""What came of a contestant, and of a point of the map: the trial that was chosen, and the final runs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from experiments.lib.comparison import Comparison, Contestant, Entry
from experiments.lib.curves import read_csv
from experiments.lib.tuning import final
from experiments.papers.image_classification import settings_label
from experiments.studies.family_map.points import PAIRS, Point
from experiments.studies.family_map.tasks import Map

__all__ = ["CHOOSE_BY", "Outcome", "TaskMap", "best", "difference", "read", "saved"]

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


def saved(folder: Path) -> dict[str, TaskMap]:
    """What `read` returned, by task, from map.csv and runs.csv; numbers have the digits that they have there."""
    runs: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in read_csv(folder / "runs.csv"):
        runs.setdefault((row["task"], row["optimizer"]), []).append(row)
    by_label = {settings_label(*pair): pair for pair in PAIRS}
    tasks: dict[str, list[dict[str, str]]] = {}
    for row in read_csv(folder / "map.csv"):
        tasks.setdefault(row["task"], []).append(row)
    maps = {}
    for task, rows in tasks.items():
        points, adams, pairs, checks = {}, {}, {}, []
        for row in rows:
            label, momentum = row["optimizer"], float(row["momentum"])
            outcome = _saved_outcome(row, runs[task, label])
            if label.startswith("Adam"):
                adams[momentum] = outcome
            elif label in by_label:
                pairs[by_label[label]] = outcome
            else:
                at = Point(momentum, float(row["ratio"]))
                if label == at.label:
                    points[at] = outcome
                else:
                    checks.append((at, outcome))
        maps[task] = TaskMap(points, adams, checks[0], pairs)
    return maps


def _saved_outcome(row: Mapping[str, str], runs: Sequence[Mapping[str, str]]) -> Outcome:
    """From a row of map.csv, and the rows of runs.csv of the same contestant."""
    ended = [run for run in runs if run["stage"] == "final"]
    pairs = (pair.split("=") for pair in ended[0]["hyperparameters"].split())
    results: list[dict[str, Any]] = [
        {"diverged": run["diverged"] == "True"}
        | {key: [float(value)] for key, value in run.items() if value and key.endswith(("_loss", "_accuracy"))}
        for run in ended
    ]
    return Outcome(
        label=row["optimizer"],
        chosen={key: float(value) for key, value in pairs},
        edge=row["edge_of_learning_rates"],
        search_loss=float(row["validation_loss_of_trial"]),
        accuracies=[
            0.0 if run["diverged"] == "True" else float(run["validation_accuracy"])
            for run in runs
            if run["stage"] == "search"
        ],
        runs=results,
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
