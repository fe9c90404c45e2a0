"""The workshop paper's comparison: Network in Network on CIFAR-100, three pairs (α, β), SGD, AdaGrad and Adam.

As the experiment `network_in_network`, with the initial step size by the training loss after ten epochs and 200 epochs
in all at the paper scale. At the standard scale its runs are four times as long as those of `network_in_network`. Where
CIFAR-100 cannot be had, CIFAR-10 takes its place; at the quick scale, unless ``--data`` names images, handwritten
digits. The paper does not say which three pairs it shows. Run with::

    python -m experiments network_in_network_workshop --data DIR
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from experiments.lib import comparison
from experiments.lib.command_line import parser
from experiments.lib.comparison import final_runs
from experiments.papers.image_classification import (
    PEERS,
    Claim,
    FinalRuns,
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
from experiments.papers.network_in_network import SCALES as FIGURE_SCALES
from experiments.papers.network_in_network import available

__all__ = ["main", "redraw"]

PAIRS: Final = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5))
LABELS: Final = (*(settings_label(*pair) for pair in PAIRS), "SGD", "AdaGrad", "Adam")

SCALES: Final = {
    "quick": FIGURE_SCALES["quick"],
    "standard": FIGURE_SCALES["standard"]._replace(images=("cifar100",), search_epochs=3, epochs=24),
    "paper": FIGURE_SCALES["paper"]._replace(images=("cifar100",), search_epochs=10),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, train, and write a figure, tables and the configuration."""
    options = parser(
        "network_in_network_workshop", __doc__, ["data", "seeds", "framework", "scale", "workers"]
    ).parse_args(arguments)
    scale, folder = SCALES[options.scale], options.output
    wanted = ("cifar10",) if options.scale == "quick" and options.data else scale.images
    entered = [*(indian(*pair) for pair in PAIRS), *(PEERS[label] for label in ("SGD", "AdaGrad", "Adam"))]
    with comparison.explained():
        (images,) = available(wanted, options.data) or ["cifar10"]
        protocol = at_scale(scale, images, entered, options.data, options.seeds, options.framework)
        name = protocol.data["name"]
        protocols = {name: protocol}
        found = compare(protocols, options.data, folder, options.workers)
    text = report(folder, protocols, found, claims(name, final_runs(found[name])))
    redraw(folder)
    print(f"{text}\n\nWritten to {folder}")


def redraw(folder: Path) -> None:
    """Draw the figure from the files in the folder."""
    runs, band = saved(folder)
    draw(folder / "network_in_network_workshop", f"Network in Network on {next(iter(runs))}: {band}", runs, LABELS)


def claims(name: str, runs: FinalRuns) -> list[Claim]:
    """What the paper says of its figure."""
    loss = {label: end(runs, label, "training_loss") for label in LABELS}
    accuracy = {label: 100 * end(runs, label, "test_accuracy") for label in LABELS}
    ours, peers = LABELS[: len(PAIRS)], LABELS[len(PAIRS) :]
    best = min(ours, key=lambda label: loss[label])
    return [
        Claim(
            "INDIAN, well tuned, and Adam train better than SGD and AdaGrad",
            name,
            max(loss[best], loss["Adam"]) < min(loss["SGD"], loss["AdaGrad"]),
            "training loss " + ", ".join(f"{label} {shown(loss[label])}" for label in (best, *peers)),
        ),
        Claim(
            "every INDIAN has a better test accuracy than SGD, AdaGrad and Adam",
            name,
            min(accuracy[label] for label in ours) > max(accuracy[label] for label in peers),
            "test % " + ", ".join(f"{label} {shown(value, '.1f')}" for label, value in accuracy.items()),
        ),
    ]
