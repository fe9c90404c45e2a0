"""A character-level GPT of about 1 M parameters: INNAprop, AdamW, NAdam, SGD-Nesterov and INDIAN, tuned alike.

The text is the .txt file that ``--data`` names, or the first one in that folder; without it, the sources of Python's
standard library. Every optimizer has the same number of random trials, the best by validation loss runs on fresh seeds.
All runs have the same schedule: a linear warm-up and a cosine to zero. INNAprop takes part twice: in the ranges of its
authors, and in AdamW's, with a velocity that averages over as many steps as AdamW's momentum. AdamW takes part once
more, with the same draws. Run with::

    python -m experiments character_gpt --data DIR
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from experiments.lib import comparison, data
from experiments.lib.command_line import parser
from experiments.lib.comparison import Contestant, Goal, Protocol
from experiments.lib.curves import Panel, draw
from experiments.lib.tuning import in_adam_terms, random_trials

__all__ = ["main", "protocol", "redraw"]

OPTIMIZERS: Final = ("AdamW", "NAdam", "SGD-Nesterov", "INNAprop", "INDIAN")
ADAMS_MEMORY: Final = "INNAprop, Adam's memory"
SAME_DRAWS: Final = "AdamW, the same draws"
ADAMS_NAMES: Final = {"lr": "lr", "beta1": "momentum", "beta2": "norm_decay", "weight_decay": "weight_decay"}
"""What AdamW calls the hyperparameters that were drawn for INNAprop with its memory."""

SCHEDULE: Final = {"kind": "cosine", "warmup": 0.1}

SCALES: Final[Mapping[str, Mapping[str, Any]]] = {
    "quick": {
        "context": 16,
        "network": {"width": 16, "blocks": 1, "heads": 2},
        "batch_size": 4,
        "trials": 2,
        "search_steps": 5,
        "steps": 10,
        "seeds": 2,
        "evaluations": 2,
        "evaluate": {"training": 8, "validation": 8, "test": 8},
    },
    "standard": {
        "context": 64,
        "network": {"width": 128, "blocks": 5, "heads": 4},
        "batch_size": 12,
        "trials": 8,
        "search_steps": 200,
        "steps": 400,
        "seeds": 3,
        "evaluations": 8,
        "evaluate": {"training": 64, "validation": 256, "test": 256},
    },
    "paper": {
        "context": 256,
        "network": {"width": 128, "blocks": 5, "heads": 4},
        "batch_size": 32,
        "trials": 20,
        "search_steps": 1000,
        "steps": 10000,
        "seeds": 5,
        "evaluations": 50,
        "evaluate": {"training": 128, "validation": 10000, "test": 10000},
    },
}


GOAL: Final = Goal("AdamW", "validation_loss")


def contestants(trials: int) -> list[Contestant]:
    """Who takes part, each with so many trials."""
    usual = [Contestant(name, name, random_trials(name, trials), SCHEDULE) for name in OPTIMIZERS]
    draws = random_trials(ADAMS_MEMORY, trials)
    like_adam = [in_adam_terms(**drawn) for drawn in draws]
    adam = [{key: drawn[name] for key, name in ADAMS_NAMES.items()} for drawn in draws]
    return [
        *usual,
        Contestant(ADAMS_MEMORY, "INNAprop", like_adam, SCHEDULE),
        Contestant(SAME_DRAWS, "AdamW", adam, SCHEDULE),
    ]


def protocol(scale: str, source: Path | None, seeds: int | None, framework: str) -> Protocol:
    """What is compared at a scale."""
    sizes = dict(SCALES[scale])
    sizes["seeds"] = seeds or sizes["seeds"]
    trials = sizes.pop("trials")
    return Protocol(
        data=data.text(source, context=sizes.pop("context")),
        network={"name": "character_gpt", **sizes.pop("network")},
        framework=framework,
        contestants=contestants(trials),
        **sizes,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, train, and write a figure, tables and the configuration."""
    options = parser("character_gpt", __doc__, ["data", "seeds", "framework", "scale", "workers"]).parse_args(arguments)
    folder = options.output
    with comparison.explained():
        chosen = protocol(options.scale, options.data, options.seeds, options.framework)
        found = comparison.compare(chosen, options.data, folder, options.workers)
    text = comparison.table(found, GOAL, accuracy=False, sort_by="validation_loss")
    comparison.save(folder, chosen.configuration(), text, comparison.run_rows(found), comparison.curve_rows(found))
    redraw(folder)
    print(f"{text}\n\nWritten to {folder}")


def redraw(folder: Path) -> None:
    """Draw the figure from the files in the folder."""
    runs = comparison.saved_runs(folder)
    configuration = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))
    loss = "validation loss"
    line = (GOAL.value(runs), "AdamW at its end")
    panels = [
        Panel("step", "validation_loss", "step", loss, line=line, skip=1),
        Panel("cpu_seconds", "validation_loss", "CPU seconds of one thread", loss, line=line, skip=1),
    ]
    name, seeds = configuration["data"]["name"], configuration["seeds"]
    title = f"Character-level GPT on {name}: mean of {seeds} seeds, band from best to worst"
    draw(folder / "character_gpt", title, [panels], [[runs, runs]])
