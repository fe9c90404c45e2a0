"""How large everything is, for each task and scale."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from experiments.lib import data
from experiments.studies.damping.contestants import NESTEROV, Damping, Grid

__all__ = ["PLANS", "SCALES", "Plan", "Sizes", "plan"]

SCALES: Final = ("quick", "standard", "gpu")
"""Seconds; at most an hour of one core for each task; about eight minutes of one large GPU for each task."""

EVERY_DAMPING: Final = (1.5, NESTEROV, 2.5, 3.0, 4.0)
"""In a norm, beside r = 1, which is AdamW."""


class Sizes(NamedTuple):
    """The length of the runs of a task.

    Attributes:
        search_steps: Of a run of the grid.
        steps: Of a final run.
        chunk: Steps of one call of the compiled program; a divisor of the others.
        evaluate_every: So often a final run is evaluated.
        seeds: Number of final runs of each entry.
    """

    search_steps: int
    steps: int
    chunk: int
    evaluate_every: int
    seeds: int


class Plan(NamedTuple):
    """All that determines the study of one task.

    Attributes:
        title: For figures.
        family: "adam" or "sgd": what the others are compared with.
        describe: The description of the task for `experiments.studies.damping.tasks.load`, from what the user named
            with ``--data``.
        grid: Where the base is searched.
        peers: Labels of `experiments.studies.damping.contestants.PEERS`.
        variants: Labels of `experiments.studies.damping.contestants.VARIANTS`, with the dampings of their grids.
        sizes: The length of the runs.
        warmup: The share of the steps in which the learning rate grows.
    """

    title: str
    family: str
    describe: Callable[[Path | None], dict[str, Any]]
    grid: Grid
    peers: Sequence[str]
    variants: Mapping[str, Sequence[Damping]]
    sizes: Sizes
    warmup: float = 0.1


ALL_PEERS: Final = ("AdamW", "NAdamW", "NAdam (PyTorch)", "Lion", "Muon", "Schedule-free AdamW", "INNAprop")


def _gpt(context: int, batch_size: int, pieces: int, **network: int) -> Callable[[Path | None], dict[str, Any]]:
    def describe(source: Path | None) -> dict[str, Any]:
        return {
            "name": "gpt",
            "data": data.text(source, context=context),
            "context": context,
            "network": network,
            "batch_size": batch_size,
            "pieces": pieces,
            "precision": "float32",
        }

    return describe


def _gpt_on_python(
    characters: int, context: int, batch_size: int, pieces: int, **network: int
) -> Callable[[Path | None], dict[str, Any]]:
    def describe(source: Path | None) -> dict[str, Any]:
        del source
        return {
            "name": "gpt",
            "data": {"kind": "python", "characters": characters},
            "context": context,
            "network": network,
            "batch_size": batch_size,
            "pieces": pieces,
            "precision": "bfloat16",
        }

    return describe


_IN_A_NORM: Final = {"weight_decay": 0.1, "norm_decay": 0.99}
_QUICK: Final = Sizes(search_steps=2, steps=4, chunk=2, evaluate_every=2, seeds=2)

PLANS: Final[Mapping[str, Mapping[str, Plan]]] = {
    "gpt": {
        "quick": Plan(
            "GPT on characters",
            "adam",
            _gpt(context=8, batch_size=2, pieces=4, width=8, blocks=1, heads=2),
            Grid((0.004,), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "Schedule-free AdamW"),
            {"DampedAdamW": (NESTEROV, 3.0)},
            _QUICK,
        ),
        "standard": Plan(
            "GPT of 0.36 M parameters on characters",
            "adam",
            _gpt(context=64, batch_size=16, pieces=256, width=96, blocks=3, heads=4),
            Grid((0.002, 0.004, 0.008), (0.9, 0.95), _IN_A_NORM),
            ALL_PEERS,
            {
                "DampedAdamW": EVERY_DAMPING,
                "DampedAdamW, INNAprop's order": (1.0, 3.0),
                "INNAprop, α and β constant": (3.0,),
                "Damped Muon": (3.0,),
            },
            Sizes(search_steps=160, steps=400, chunk=40, evaluate_every=40, seeds=3),
        ),
        # About 1.2e12 operations and 15 GB of traffic a step: 10 ms a step on an H100, 20 s to compile a program. Six
        # programs, 34 runs of 400 steps and 20 of 1200 are eight to nine minutes.
        "gpu": Plan(
            "GPT of 11 M parameters on Python sources",
            "adam",
            _gpt_on_python(20_000_000, context=256, batch_size=64, pieces=512, width=384, blocks=6, heads=6),
            Grid((0.001, 0.002), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Muon", "Schedule-free AdamW"),
            {"DampedAdamW": (NESTEROV, 3.0), "DampedAdamW, INNAprop's order": (1.0, 3.0)},
            Sizes(search_steps=400, steps=1200, chunk=100, evaluate_every=100, seeds=2),
        ),
    },
}
"""By task and scale."""


def plan(task: str, scale: str) -> Plan:
    """The plan for a task at a scale.

    Raises:
        ValueError: There is no such task or scale.

    Example:
        >>> plan("gpt", "standard").family
        'adam'
    """
    for name, value, allowed in (("task", task, PLANS), ("scale", scale, SCALES)):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
    return PLANS[task][scale]
