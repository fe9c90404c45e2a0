"""Figures 2, 3 and 4 of the INDIAN paper: Network in Network on images, against SGD, AdaGrad and Adam.

Figure 2 compares INDIAN with SGD, AdaGrad and Adam, and beyond the paper with SGD-Nesterov, AdamW and INNAprop, which
have a cosine schedule. Figure 3 has the paper's four pairs (α, β). Figure 4 has slower decays of the step size, and
INDIAN with the best of them against Adam. The images are MNIST, CIFAR-10 and, where it can be had, CIFAR-100; if
``--data`` names no images, handwritten digits take their place at the quick scale, and where none can be downloaded.
Run with::

    python -m experiments network_in_network --data DIR
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from experiments.lib import comparison, data
from experiments.lib.command_line import parser
from experiments.lib.comparison import Contestant, final_runs
from experiments.papers.image_classification import (
    PEERS,
    Claim,
    FinalRuns,
    Scale,
    at_scale,
    compare,
    draw,
    end,
    indian,
    report,
    saved,
    settings_label,
    shown,
)

__all__ = ["SCALES", "available", "main", "redraw"]

PAIRS: Final = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5), (0.5, 1.0))
EXPONENTS: Final = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
DEFAULT_PAIR: Final = (0.5, 0.1)

SCALES: Final = {
    "quick": Scale(
        images=("digits",),
        counts={"training": 128, "validation": 0, "test": 64},
        halved=False,
        width=12,
        grid=2,
        search_epochs=0.5,
        epochs=1,
        seeds=2,
        evaluate={"training": 64, "test": 64},
    ),
    "standard": Scale(
        images=("mnist", "cifar10", "cifar100"),
        counts={"training": 8000, "validation": 0, "test": 5000},
        halved=True,
        width=24,
        grid=5,
        search_epochs=1.5,
        epochs=6,
        seeds=5,
        evaluate={"training": 2000, "test": 5000},
    ),
    "paper": Scale(
        images=("mnist", "cifar10", "cifar100"),
        counts={"training": 50000, "validation": 0, "test": 10000},
        halved=False,
        width=192,
        grid=5,
        search_epochs=15,
        epochs=200,
        seeds=5,
        evaluate={"training": 50000, "test": 10000},
    ),
}


def contestants() -> list[Contestant]:
    """All of the three figures, each once."""
    family = [indian(*pair) for pair in PAIRS] + [indian(*DEFAULT_PAIR, exponent) for exponent in EXPONENTS[1:]]
    return [*family, *PEERS.values()]


def available(names: Sequence[str], source: Path | None) -> list[str]:
    """The images of these names; CIFAR-100 is left out where it cannot be had."""
    if "cifar100" in names:
        try:
            data.image_arrays("cifar100", source)
        except data.DataError as error:
            print(f"Without CIFAR-100: {error}", file=sys.stderr)
            return [name for name in names if name != "cifar100"]
    return list(names)


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, train, and write three figures, tables and the configuration."""
    options = parser("network_in_network", __doc__, ["data", "seeds", "framework", "scale", "workers"]).parse_args(
        arguments
    )
    scale, folder = SCALES[options.scale], options.output
    names = ("mnist", "cifar10") if options.scale == "quick" and options.data else scale.images
    with comparison.explained():
        entered = [
            at_scale(scale, name, contestants(), options.data, options.seeds, options.framework)
            for name in available(names, options.data)
        ]
        protocols = {protocol.data["name"]: protocol for protocol in entered}
        found = compare(protocols, options.data, folder, options.workers)
    judged = claims({name: final_runs(of_images) for name, of_images in found.items()})
    text = report(folder, protocols, found, judged)
    redraw(folder)
    print(f"{text}\n\nWritten to {folder}")


def redraw(folder: Path) -> None:
    """Draw the figures from the files in the folder."""
    runs, band = saved(folder)
    peers = {name: [best_pair(of_images), *PEERS] for name, of_images in runs.items()}
    draw(folder / "figure_2", f"Figure 2: INDIAN and its peers; {band}", runs, peers)
    draw(folder / "figure_3", f"Figure 3: (α, β); {band}", runs, [settings_label(*pair) for pair in PAIRS])
    decays = [settings_label(*DEFAULT_PAIR, exponent) for exponent in EXPONENTS]
    draw(folder / "figure_4", f"Figure 4: γ₀ (k + 1)^(−q); {band}", runs, [*decays, "Adam"])


def best_pair(runs: FinalRuns) -> str:
    """INDIAN with (0.1, 0.1) or (0.5, 0.1), whichever ends with the smaller training loss, as the paper chooses."""
    return min((settings_label(*pair) for pair in PAIRS[:2]), key=lambda label: end(runs, label, "training_loss"))


def claims(runs: Mapping[str, FinalRuns]) -> list[Claim]:
    """The paper's statements about its figures, and whether they hold."""
    made = []
    for name, images in runs.items():

        def loss(label: str, images: FinalRuns = images) -> float:
            return end(images, label, "training_loss")

        def accuracy(label: str, images: FinalRuns = images) -> float:
            return 100 * end(images, label, "test_accuracy")

        ours = best_pair(images)
        faster, slower = (ours, "Adam"), ("SGD", "AdaGrad")
        made.append(
            Claim(
                "Figure 2: INDIAN and Adam train better than SGD and AdaGrad",
                name,
                max(map(loss, faster)) < min(map(loss, slower)),
                "training loss " + ", ".join(f"{label} {shown(loss(label))}" for label in (*faster, *slower)),
            )
        )
        made.append(
            Claim(
                "Figure 2: INDIAN has the best test accuracy of the four",
                name,
                accuracy(ours) > max(map(accuracy, ("SGD", "AdaGrad", "Adam"))),
                "test % "
                + ", ".join(f"{label} {shown(accuracy(label), '.1f')}" for label in (ours, "Adam", "SGD", "AdaGrad")),
            )
        )
        pairs = [settings_label(*pair) for pair in PAIRS]
        made.append(
            Claim(
                "Figure 3: (α, β) changes the speed more than the accuracy (within 2 points)",
                name,
                max(map(accuracy, pairs)) - min(map(accuracy, pairs)) <= 2,
                ", ".join(f"{label} {shown(accuracy(label), '.1f')} %, {shown(loss(label))}" for label in pairs),
            )
        )
        half, quarter = (settings_label(*DEFAULT_PAIR, exponent) for exponent in EXPONENTS[:2])
        made.append(
            Claim(
                "Figure 4: a step that decays like k^(−1/4) trains faster than k^(−1/2)",
                name,
                loss(quarter) < loss(half),
                "training loss " + ", ".join(f"{label} {shown(loss(label))}" for label in (quarter, half)),
            )
        )
        made.append(
            Claim(
                "Figure 4: and faster than Adam",
                name,
                loss(quarter) < loss("Adam"),
                "training loss " + ", ".join(f"{label} {shown(loss(label))}" for label in (quarter, "Adam")),
            )
        )
    return made
