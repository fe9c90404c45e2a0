"""Comparisons of optimizers on several sets of images with Network in Network, as the INDIAN papers make them.

The papers' protocol: batches of 32; a step size γ₀/√(k + 1) for INDIAN and SGD, a constant γ₀ for AdaGrad and Adam; γ₀
by grid search, the one with the smallest training loss after a few epochs; several random initializations with normal
weights, the same for all optimizers; the loss on training images and the accuracy on test images.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from experiments.lib import comparison, curves, data
from experiments.lib.comparison import Comparison, Contestant, Protocol
from experiments.lib.curves import Panel
from experiments.lib.tuning import grid_trials

__all__ = [
    "COSINE",
    "PEERS",
    "Claim",
    "Scale",
    "at_scale",
    "compare",
    "draw",
    "end",
    "indian",
    "report",
    "saved",
    "settings_label",
    "shown",
]

CONSTANT: Final = {"kind": "constant"}
COSINE: Final = {"kind": "cosine", "warmup": 0.0}


class Scale(NamedTuple):
    """What a scale costs.

    Attributes:
        images: Names of the sets.
        counts: Of training, validation and test images. Nothing is chosen by validation images.
        halved: Whether height and width are halved.
        width: Of the network.
        grid: How many initial step sizes are tried.
        search_epochs: Passes over the training images in a trial.
        epochs: Passes in a final run.
        seeds: Final runs.
        evaluate: On how many images of each part.
    """

    images: tuple[str, ...]
    counts: Mapping[str, int]
    halved: bool
    width: int
    grid: int
    search_epochs: float
    epochs: float
    seeds: int
    evaluate: Mapping[str, int]


def settings_label(alpha: float, beta: float, exponent: float | None = None) -> str:
    """The name of INDIAN with some settings.

    Example:
        >>> settings_label(0.5, 0.1, 0.25)
        'INDIAN (0.5, 0.1), q = 1/4'
    """
    decay = "" if exponent in (None, 0.5) else f", q = 1/{1 / exponent:g}"
    return f"INDIAN ({alpha:g}, {beta:g}){decay}"


def indian(alpha: float, beta: float, exponent: float = 0.5) -> Contestant:
    """INDIAN with the step size γ₀ (k + 1)^(−q)."""
    # The slower the decay, the smaller the initial step that leads to the same sizes later on.
    largest = {1 / 2: 3.0, 1 / 4: 1.0, 1 / 8: 0.5, 1 / 16: 0.3}[exponent]
    trials = grid_trials(lr=_third_steps(largest), alpha=(alpha,), beta=(beta,))
    return Contestant(settings_label(alpha, beta, exponent), "INDIAN", trials, {"kind": "power", "exponent": exponent})


def _third_steps(largest: float) -> tuple[float, ...]:
    """Five learning rates, each about a third of the one before, the middle one first."""
    rates = [float(f"{largest / 10 ** (k / 2):.2g}") for k in range(5)]
    return tuple(rates[k] for k in (2, 1, 3, 0, 4))


PEERS: Final = {
    "SGD": Contestant("SGD", "SGD", grid_trials(lr=_third_steps(3.0)), {"kind": "power", "exponent": 0.5}),
    "AdaGrad": Contestant("AdaGrad", "AdaGrad", grid_trials(lr=_third_steps(0.1)), CONSTANT),
    "Adam": Contestant("Adam", "Adam", grid_trials(lr=_third_steps(0.01)), CONSTANT),
    "SGD-Nesterov, cosine": Contestant(
        "SGD-Nesterov, cosine", "SGD-Nesterov", grid_trials(lr=_third_steps(0.3), momentum=(0.9,)), COSINE
    ),
    "AdamW, cosine": Contestant("AdamW, cosine", "AdamW", grid_trials(lr=_third_steps(0.01)), COSINE),
    "INNAprop, cosine": Contestant(
        "INNAprop, cosine",
        "INNAprop",
        grid_trials(lr=_third_steps(0.01), alpha=(0.1,), beta=(0.9,), weight_decay=(0.01,)),
        COSINE,
    ),
}
"""The papers' SGD, AdaGrad and Adam, and what is tried beyond the papers, by label."""

BATCH_SIZE: Final = 32

FinalRuns = Mapping[str, Sequence[Mapping[str, Any]]]
"""By label."""


def at_scale(
    scale: Scale, name: str, contestants: Sequence[Contestant], source: Path | None, seeds: int | None, framework: str
) -> Protocol:
    """The protocol for one set of images, or for digits in their place: ``protocol.data["name"]`` says which."""
    description = data.images_or_digits(name, source, **scale.counts, halved=scale.halved)
    epoch = description["training"] / BATCH_SIZE
    return Protocol(
        data=description,
        network={"name": "network_in_network", "width": scale.width},
        framework=framework,
        contestants=[c._replace(trials=c.trials[: scale.grid]) for c in contestants],
        batch_size=BATCH_SIZE,
        search_steps=max(1, round(scale.search_epochs * epoch)),
        steps=max(1, round(scale.epochs * epoch)),
        seeds=seeds or scale.seeds,
        evaluations=max(1, round(scale.epochs)),
        evaluate=scale.evaluate,
        choose_by="training_loss",
    )


def compare(
    protocols: Mapping[str, Protocol], source: Path | None, folder: Path, workers: int | None
) -> dict[str, Comparison]:
    """Search and train on every set of images."""
    return {name: comparison.compare(p, source, folder, workers, title=name) for name, p in protocols.items()}


def end(runs: FinalRuns, label: str, quantity: str) -> float:
    """The mean of a quantity at the end of the final runs; the worst there is if one diverged."""
    if any(run["diverged"] for run in runs[label]):
        return -math.inf if "accuracy" in quantity else math.inf
    return float(np.mean([run[quantity][-1] for run in runs[label]]))


def shown(value: float, digits: str = ".3g") -> str:
    """What `end` returned.

    Example:
        >>> shown(0.0689), shown(float("inf"))
        ('0.0689', 'diverged')
    """
    return f"{value:{digits}}" if math.isfinite(value) else "diverged"


class Claim(NamedTuple):
    """A statement of a paper, on what images, whether it held here, and the numbers."""

    claim: str
    images: str
    held: bool
    numbers: str


def report(
    folder: Path, protocols: Mapping[str, Protocol], found: Mapping[str, Comparison], claims: Sequence[Claim]
) -> str:
    """Write the tables and the configuration; returns the text of ``table.md``."""
    parts = [
        curves.markdown_table(
            ["the paper's claim", "images", "here", "numbers"],
            [[c.claim, c.images, "holds" if c.held else "**does not hold**", c.numbers] for c in claims],
        )
    ]
    for name, of_images in found.items():
        parts.append(f"**{name}**\n\n{comparison.table(of_images, None, accuracy=True, sort_by='training_loss')}")
    text = "\n\n".join(parts)
    rows = [row for name, of_images in found.items() for row in comparison.run_rows(of_images, images=name)]
    points = [point for name, of_images in found.items() for point in comparison.curve_rows(of_images, images=name)]
    configurations = {name: protocol.configuration() for name, protocol in protocols.items()}
    used = next(iter(configurations.values()))["versions"]
    comparison.save(folder, {"versions": used, "images": configurations}, text, rows, points)
    return text


def saved(folder: Path) -> tuple[dict[str, FinalRuns], str]:
    """The final runs by images, from the files that `report` wrote, and what the curves of a figure are."""
    described = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))["images"]
    seeds = next(iter(described.values()))["seeds"]
    runs: dict[str, FinalRuns] = {name: comparison.saved_runs(folder, images=name) for name in described}
    return runs, f"mean of {seeds} seeds, band from best to worst"


def draw(
    path: Path, title: str, runs: Mapping[str, FinalRuns], labels: Sequence[str] | Mapping[str, Sequence[str]]
) -> None:
    """Training loss above test accuracy, a column for each set of images; labels may differ between the sets."""
    shown: list[dict[str, Any]] = [
        {label: of_images[label] for label in (labels[name] if isinstance(labels, Mapping) else labels)}
        for name, of_images in runs.items()
    ]
    losses = [Panel("step", "training_loss", "step", "training loss", title=name, log=True) for name in runs]
    accuracies = [Panel("step", "test_accuracy", "step", "test accuracy") for _ in runs]
    curves.draw(path, title, [losses, accuracies], [shown, shown])
