"""Settings with one learning rate that are good on all tasks: what defaults should be, as the map has it."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from experiments.lib.comparison import Contestant
from experiments.studies.family_map.outcomes import TaskMap
from experiments.studies.family_map.points import CONSTANT, Point, place
from indian_core import DEFAULTS

__all__ = ["DEFAULT_LABEL", "Setting", "best_settings", "contestants", "described", "regret"]

DEFAULT_LABEL: Final = "the default"


class Setting(NamedTuple):
    """A point with one of the learning rates tried, and how much worse the trial was than the best, on the worse task.

    Attributes:
        label: In tables.
        point: On the map.
        hyperparameters: All of them.
        regret: See `regret`.
    """

    label: str
    point: Point
    hyperparameters: Mapping[str, float]
    regret: float


def best_settings(maps: Mapping[str, TaskMap], trials: Mapping[Point, Contestant], most: int) -> list[Setting]:
    """The settings of all trials of the map with the smallest regrets, the smallest first."""
    found = []
    for point, contestant in trials.items():
        for number, hyperparameters in enumerate(contestant.trials):
            accuracies = [of_task.points[point].accuracies[number] for of_task in maps.values()]
            found.append(Setting("", point, hyperparameters, regret(maps, accuracies)))
    found.sort(key=lambda setting: setting.regret)
    return [setting._replace(label=f"candidate {rank}") for rank, setting in enumerate(found[:most], start=1)]


def regret(maps: Mapping[str, TaskMap], accuracies: Sequence[float]) -> float:
    """What validation accuracies, one a task, lose to the best of the map, on the task where that is the most."""
    highest = [max(max(outcome.accuracies) for outcome in of_task.points.values()) for of_task in maps.values()]
    return max(high - accuracy for high, accuracy in zip(highest, accuracies, strict=True))


def contestants(settings: list[Setting]) -> list[Contestant]:
    """The settings and the default as the package has it, each with one trial."""
    default = {"lr": DEFAULTS.learning_rate, "alpha": DEFAULTS.alpha, "beta": DEFAULTS.beta}
    every: dict[str, Mapping[str, float]] = {setting.label: setting.hyperparameters for setting in settings} | {
        DEFAULT_LABEL: default
    }
    return [Contestant(label, "INDIAN", [given], CONSTANT) for label, given in every.items()]


def described(hyperparameters: Mapping[str, float]) -> str:
    """Hyperparameters, and where they are on the map."""
    at = place(hyperparameters)
    given = ", ".join(f"{key} {hyperparameters[key]:.3g}" for key in ("lr", "alpha", "beta"))
    return f"{given} (μ = {at.momentum:.3g}, β/γ = {at.ratio:.3g})"
