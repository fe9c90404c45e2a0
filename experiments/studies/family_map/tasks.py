"""The two tasks, and what each scale costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from experiments.lib import data
from experiments.lib.comparison import Contestant, Protocol
from experiments.studies.family_map.points import (
    NESTEROV,
    PAIRS,
    Point,
    adam,
    in_framework,
    nesterov,
    on_map,
    pair,
    points,
)

__all__ = ["SCALES", "Map", "Scale", "Task", "map_at"]

BATCH_SIZE: Final = 32

CHECKED_MOMENTUM: Final = 0.9
"""With which SGD with Nesterov's momentum runs, which must end as the point that it is."""


TITLES: Final = {"cifar10": "CIFAR-10", "mnist": "MNIST", "digits": "digits"}


class Task(NamedTuple):
    """What is trained.

    Attributes:
        title: Of the network, for a reader.
        network: See `experiments.lib.networks.architectures`.
        images: See `experiments.lib.data`.
        search_steps: Of a trial.
        steps: Of a final run.
    """

    title: str
    network: Mapping[str, Any]
    images: str
    search_steps: int
    steps: int


class Scale(NamedTuple):
    """What a scale costs.

    Attributes:
        tasks: Those of the map.
        bundled: Whether handwritten digits take the place of the images, unless the user names some.
        counts: Of training, validation and test images. Their height and width are halved, except the digits'.
        momenta: Rows of the map.
        ratios: Columns.
        effective_rates: What every point of the map tries.
        adam_rates: What Adam tries with each momentum; as many.
        seeds: Final runs.
        candidates: How many points that are good on both tasks run as defaults.
    """

    tasks: tuple[Task, ...]
    bundled: bool
    counts: Mapping[str, int]
    momenta: tuple[float, ...]
    ratios: tuple[float | str, ...]
    effective_rates: tuple[float, ...]
    adam_rates: tuple[float, ...]
    seeds: int
    candidates: int

    def grid(self) -> list[Point]:
        """All points of the map."""
        return points(self.momenta, self.ratios)


_MOMENTA: Final = (0.0, 0.5, 0.9, 0.95, 0.98, 0.99)
_RATIOS: Final = (0.5, 1.0, NESTEROV, 3.0, 6.0, 12.0, 24.0, 48.0)

SCALES: Final = {
    "quick": Scale(
        tasks=(
            Task("convnet", {"name": "convnet", "widths": [4, 8]}, "cifar10", 4, 8),
            Task("perceptron", {"name": "perceptron", "widths": [16]}, "mnist", 4, 8),
        ),
        bundled=True,
        counts={"training": 128, "validation": 64, "test": 64},
        momenta=(0.5, 0.9),
        ratios=(1.0, NESTEROV, 3.0, 8.0),
        effective_rates=(0.1, 0.3),
        adam_rates=(1e-3, 1e-2),
        seeds=2,
        candidates=1,
    ),
    "standard": Scale(
        tasks=(
            Task("convnet", {"name": "convnet", "widths": [8, 16]}, "cifar10", 300, 600),
            Task("perceptron", {"name": "perceptron", "widths": [64, 32]}, "mnist", 1000, 1000),
        ),
        bundled=False,
        counts={"training": 16000, "validation": 2000, "test": 2500},
        momenta=_MOMENTA,
        ratios=_RATIOS,
        effective_rates=(0.025, 0.05, 0.1, 0.2, 0.4),
        adam_rates=(5e-4, 1e-3, 2e-3, 4e-3, 8e-3),
        seeds=3,
        candidates=4,
    ),
    "paper": Scale(
        tasks=(
            Task("Network in Network", {"name": "network_in_network", "width": 96}, "cifar10", 7000, 28000),
            Task("perceptron", {"name": "perceptron", "widths": [256, 128]}, "mnist", 7000, 28000),
        ),
        bundled=False,
        counts={"training": 45000, "validation": 5000, "test": 10000},
        momenta=_MOMENTA,
        ratios=_RATIOS,
        effective_rates=(0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8),
        adam_rates=(2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2),
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
    protocols = {}
    for task in scale.tasks:
        name = "digits" if scale.bundled and source is None else task.images
        described = data.images_or_digits(name, source, **scale.counts, halved=name != "digits")
        counts = {part: described[part] for part in scale.counts}
        protocols[f"{task.title} on {TITLES[described['name']]}"] = Protocol(
            data=described,
            network=task.network,
            framework=framework,
            contestants=contestants,
            batch_size=BATCH_SIZE,
            search_steps=task.search_steps,
            steps=task.steps,
            seeds=seeds or scale.seeds,
            evaluations=1,
            evaluate={**counts, "training": min(2000, counts["training"])},
        )
    return Map(on_it, adams, check, pairs, protocols)
