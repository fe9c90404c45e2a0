"""The two tasks, and what each scale costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from experiments import data
from experiments.comparison import Contestant, Protocol
from experiments.family_map.points import NESTEROV, PAIRS, Point, adam, in_framework, nesterov, on_map, pair, points

__all__ = ["SCALES", "Map", "Scale", "Task", "map_at"]

BATCH_SIZE: Final = 32

CHECKED_MOMENTUM: Final = 0.9
"""With which SGD with Nesterov's momentum runs, which must end as the point that it is."""


class Task(NamedTuple):
    """Images and a network."""

    images: str
    network: Mapping[str, Any]


class Scale(NamedTuple):
    """What a scale costs.

    Attributes:
        tasks: By title.
        counts: Of training, validation and test images, whose height and width are halved if they are of a size that
            can be.
        momenta: Rows of the map.
        ratios: Columns.
        effective_rates: What every point of the map tries.
        adam_rates: What Adam tries with each momentum; as many.
        search_steps: Of a trial.
        steps: Of a final run.
        seeds: Final runs.
        candidates: How many points that are good on both tasks run as defaults.
    """

    tasks: Mapping[str, Task]
    counts: Mapping[str, int]
    momenta: tuple[float, ...]
    ratios: tuple[float | str, ...]
    effective_rates: tuple[float, ...]
    adam_rates: tuple[float, ...]
    search_steps: int
    steps: int
    seeds: int
    candidates: int

    def grid(self) -> list[Point]:
        """All points of the map."""
        return points(self.momenta, self.ratios)


_MOMENTA: Final = (0.0, 0.5, 0.9, 0.95, 0.98, 0.99)
_RATIOS: Final = (0.5, 1.0, NESTEROV, 3.0, 6.0, 12.0, 24.0, 48.0)

SCALES: Final = {
    "quick": Scale(
        tasks={
            "convnet on digits": Task("digits", {"name": "convnet", "widths": [4, 8]}),
            "perceptron on digits": Task("digits", {"name": "perceptron", "widths": [16]}),
        },
        counts={"training": 128, "validation": 64, "test": 64},
        momenta=(0.5, 0.9),
        ratios=(1.0, NESTEROV, 3.0, 8.0),
        effective_rates=(0.1, 0.3),
        adam_rates=(1e-3, 1e-2),
        search_steps=4,
        steps=8,
        seeds=2,
        candidates=1,
    ),
    "standard": Scale(
        tasks={
            "convnet on CIFAR-10": Task("cifar10", {"name": "convnet", "widths": [8, 16]}),
            "perceptron on MNIST": Task("mnist", {"name": "perceptron", "widths": [64, 32]}),
        },
        counts={"training": 16000, "validation": 2000, "test": 2500},
        momenta=_MOMENTA,
        ratios=_RATIOS,
        effective_rates=(0.025, 0.05, 0.1, 0.2, 0.4),
        adam_rates=(5e-4, 1e-3, 2e-3, 4e-3, 8e-3),
        search_steps=300,
        steps=600,
        seeds=3,
        candidates=4,
    ),
    "paper": Scale(
        tasks={
            "Network in Network on CIFAR-10": Task("cifar10", {"name": "network_in_network", "width": 96}),
            "perceptron on MNIST": Task("mnist", {"name": "perceptron", "widths": [256, 128]}),
        },
        counts={"training": 45000, "validation": 5000, "test": 10000},
        momenta=_MOMENTA,
        ratios=_RATIOS,
        effective_rates=(0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
        adam_rates=(2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2),
        search_steps=7000,
        steps=28000,
        seeds=5,
        candidates=4,
    ),
}


class Map(NamedTuple):
    """The contestants by what they are, and the protocol of each task.

    Attributes:
        points: Of the map.
        adams: Adam by its momentum.
        check: SGD with Nesterov's momentum as the framework has it, by the point that it is.
        pairs: Those of the papers, and the default, by (α, β).
        protocols: By the title of the task.
    """

    points: Mapping[Point, Contestant]
    adams: Mapping[float, Contestant]
    check: tuple[Point, Contestant]
    pairs: Mapping[tuple[float, float], Contestant]
    protocols: Mapping[str, Protocol]


def map_at(scale: Scale, source: Path | None, seeds: int | None, framework: str) -> Map:
    """The map at a scale.

    Raises:
        DataError: The images cannot be had.
    """
    rates, momentum = scale.effective_rates, CHECKED_MOMENTUM
    on_it = {point: on_map(point, rates) for point in scale.grid()}
    adams = {each: adam(each, scale.adam_rates) for each in scale.momenta}
    check = (Point(momentum, nesterov(momentum)), in_framework(momentum, rates))
    pairs = {each: pair(*each, rates) for each in PAIRS}
    contestants = [*on_it.values(), *adams.values(), check[1], *pairs.values()]
    protocols = {
        title: Protocol(
            data=data.images(task.images, source, **scale.counts, halved=task.images != "digits"),
            network=task.network,
            framework=framework,
            contestants=contestants,
            batch_size=BATCH_SIZE,
            search_steps=scale.search_steps,
            steps=scale.steps,
            seeds=seeds or scale.seeds,
            evaluations=1,
            evaluate={"training": min(2000, scale.counts["training"]), **_held(scale)},
        )
        for title, task in scale.tasks.items()
    }
    return Map(on_it, adams, check, pairs, protocols)


def _held(scale: Scale) -> dict[str, int]:
    return {part: scale.counts[part] for part in ("validation", "test")}
