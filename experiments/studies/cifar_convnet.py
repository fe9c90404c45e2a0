"""A small convolutional network on CIFAR-10: INDIAN, INNAprop, the AdaGrad norm, AdamW and SGD-Nesterov, tuned alike.

Every optimizer has the same number of random trials, the best by validation loss runs on fresh seeds. All runs have the
same schedule: a linear warm-up and a cosine to zero. If ``--data`` names no images, handwritten digits take their place
at the quick scale, and where CIFAR-10 cannot be downloaded. Run with::

    python -m experiments cifar_convnet --data DIR
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from experiments.lib import comparison, data
from experiments.lib.command_line import parser
from experiments.lib.comparison import Contestant, Goal, Protocol
from experiments.lib.curves import Panel, draw
from experiments.lib.tuning import random_trials

__all__ = ["main", "protocol", "redraw"]

OPTIMIZERS: Final = ("AdamW", "SGD-Nesterov", "INNAprop", "INDIAN", "INDIAN, AdaGrad norm")
SCHEDULE: Final = {"kind": "cosine", "warmup": 0.1}

SCALES: Final[Mapping[str, Mapping[str, Any]]] = {
    "quick": {
        "images": {"training": 200, "validation": 100, "test": 100},
        "widths": [4, 8],
        "batch_size": 16,
        "trials": 2,
        "search_steps": 5,
        "steps": 12,
        "seeds": 2,
        "evaluations": 3,
        "evaluate": {"training": 100, "validation": 100, "test": 100},
    },
    "standard": {
        "images": {"training": 16000, "validation": 2000, "test": 5000},
        "widths": [16, 32, 64],
        "batch_size": 64,
        "trials": 8,
        "search_steps": 400,
        "steps": 2500,
        "seeds": 3,
        "evaluations": 10,
        "evaluate": {"training": 2000, "validation": 2000, "test": 5000},
    },
    "paper": {
        "images": {"training": 45000, "validation": 5000, "test": 10000},
        "widths": [64, 128, 256],
        "batch_size": 64,
        "trials": 20,
        "search_steps": 3500,
        "steps": 35000,
        "seeds": 5,
        "evaluations": 50,
        "evaluate": {"training": 5000, "validation": 5000, "test": 10000},
    },
}


GOAL: Final = Goal("AdamW", "validation_accuracy")


def protocol(scale: str, source: Path | None, seeds: int | None, framework: str) -> Protocol:
    """What is compared at a scale."""
    sizes = dict(SCALES[scale])
    sizes["seeds"] = seeds or sizes["seeds"]
    trials = sizes.pop("trials")
    name = "digits" if scale == "quick" and source is None else "cifar10"
    return Protocol(
        data=data.images_or_digits(name, source, **sizes.pop("images")),
        network={"name": "convnet", "widths": sizes.pop("widths")},
        framework=framework,
        contestants=[Contestant(name, name, random_trials(name, trials), SCHEDULE) for name in OPTIMIZERS],
        **sizes,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, train, and write a figure, tables and the configuration."""
    options = parser("cifar_convnet", __doc__, ["data", "seeds", "framework", "scale", "workers"]).parse_args(arguments)
    folder = options.output
    with comparison.explained():
        chosen = protocol(options.scale, options.data, options.seeds, options.framework)
        found = comparison.compare(chosen, options.data, folder, options.workers)
    text = comparison.table(found, GOAL, accuracy=True, sort_by="validation_loss")
    comparison.save(folder, chosen.configuration(), text, comparison.run_rows(found), comparison.curve_rows(found))
    redraw(folder)
    print(f"{text}\n\nWritten to {folder}")


def redraw(folder: Path) -> None:
    """Draw the figure from the files in the folder."""
    runs = comparison.saved_runs(folder)
    configuration = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))
    panels = [
        Panel("step", "training_loss", "step", "training loss", log=True, skip=1),
        Panel("step", "validation_loss", "step", "validation loss", skip=1),
        Panel("step", "test_accuracy", "step", "test accuracy", skip=1),
    ]
    name, seeds = configuration["data"]["name"], configuration["seeds"]
    title = f"Convolutional network on {name}: mean of {seeds} seeds, band from best to worst"
    draw(folder / "cifar_convnet", title, [panels], [[runs] * 3])
