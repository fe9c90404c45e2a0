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


Describe = Callable[[Path | None], dict[str, Any]]


def _on_text(name: str, context: int, batch_size: int, pieces: int, **network: int) -> Describe:
    """A network on the text that the user names."""

    def describe(source: Path | None) -> dict[str, Any]:
        return {
            "name": name,
            "data": data.text(source, context=context),
            "context": context,
            "network": network,
            "batch_size": batch_size,
            "pieces": pieces,
            "precision": "float32",
        }

    return describe


def _on_python(name: str, context: int, batch_size: int, pieces: int, **network: int) -> Describe:
    """A network on the sources of Python's standard library, with products in bfloat16."""

    def describe(source: Path | None) -> dict[str, Any]:
        del source
        return {
            "name": name,
            "data": {"kind": "python", "characters": CHARACTERS},
            "context": context,
            "network": network,
            "batch_size": batch_size,
            "pieces": pieces,
            "precision": "bfloat16",
        }

    return describe


def _finetuned(described: Describe, steps: int, chunk: int, characters: int, precision: str = "float32") -> Describe:
    """A GPT on the text that the user names, after a pre-training on so many characters of Python sources."""
    pretraining = {"steps": steps, "chunk": chunk, "characters": characters}

    def describe(source: Path | None) -> dict[str, Any]:
        return {**described(source), "precision": precision, "pretraining": pretraining}

    return describe


def _on_images(
    name: str, batch_size: int, counts: Mapping[str, int], precision: str = "float32", *, halved: bool, **network: Any
) -> Describe:
    """A network on CIFAR-10; on handwritten digits, if there are few images and none are named."""

    def describe(source: Path | None) -> dict[str, Any]:
        images = "digits" if source is None and counts["training"] < FEW else "cifar10"
        halves = halved and images != "digits"
        return {
            "name": name,
            "data": data.images_or_digits(images, source, halved=halves, **counts),
            "network": network,
            "batch_size": batch_size,
            "precision": precision,
        }

    return describe


CHARACTERS: Final = 20_000_000
"""Of the Python sources, at most."""

FEW: Final = 1000
"""So many images for training are few."""

_IN_A_NORM: Final = {"weight_decay": 0.1, "norm_decay": 0.99}
_WITHOUT_NORM: Final = {"weight_decay": 5e-4}
_QUICK: Final = Sizes(search_steps=2, steps=4, chunk=2, evaluate_every=2, seeds=2)
_FEW_IMAGES: Final = {"training": 64, "validation": 32, "test": 32}
_IMAGES: Final = {"training": 16000, "validation": 2000, "test": 5000}
_ALL_IMAGES: Final = {"training": 18000, "validation": 2000, "test": 5000}

PLANS: Final[Mapping[str, Mapping[str, Plan]]] = {
    "gpt": {
        "quick": Plan(
            "GPT on characters",
            "adam",
            _on_text("gpt", context=8, batch_size=2, pieces=4, width=8, blocks=1, heads=2),
            Grid((0.004,), (0.9, 0.95), _IN_A_NORM),
            ("AdamW",),
            {"DampedAdamW": (NESTEROV, 3.0)},
            _QUICK,
        ),
        "standard": Plan(
            "GPT of 0.36 M parameters on characters",
            "adam",
            _on_text("gpt", context=64, batch_size=16, pieces=256, width=96, blocks=3, heads=4),
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
            _on_python("gpt", context=256, batch_size=64, pieces=512, width=384, blocks=6, heads=6),
            Grid((0.001, 0.002), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Muon", "Schedule-free AdamW"),
            {"DampedAdamW": (NESTEROV, 3.0), "DampedAdamW, INNAprop's order": (1.0, 3.0)},
            Sizes(search_steps=400, steps=1200, chunk=100, evaluate_every=100, seeds=2),
        ),
    },
    "resnet": {
        "quick": Plan(
            "Residual network on images",
            "sgd",
            _on_images("resnet", 4, _FEW_IMAGES, halved=True, widths=[4], blocks=1, convolution="by_patches"),
            Grid((0.1,), (0.9, 0.95), _WITHOUT_NORM),
            ("SGD", "SGD-Nesterov"),
            {"DampedSGD": (3.0,)},
            _QUICK,
        ),
        "standard": Plan(
            "Narrow residual network on CIFAR-10 at 16 × 16",
            "sgd",
            _on_images("resnet", 64, _IMAGES, halved=True, widths=[12, 24, 48], blocks=1, convolution="by_patches"),
            Grid((0.1, 0.2, 0.4), (0.9, 0.95), _WITHOUT_NORM),
            ("SGD", "SGD-Nesterov", "AdamW beside SGD"),
            {"DampedSGD": (3.0, 5.0, 7.0, 10.0)},
            Sizes(search_steps=250, steps=1000, chunk=50, evaluate_every=100, seeds=3),
        ),
        # 4e11 operations and 5 GB of traffic a step: 8 ms a step on an H100, 45 s to compile a program. Three programs,
        # 16 runs of 280 steps and 8 of 2800, which are 20 epochs: six minutes.
        "gpu": Plan(
            "ResNet-18 on CIFAR-10",
            "sgd",
            _on_images(
                *("resnet", 128, _ALL_IMAGES, "bfloat16"),
                halved=False,
                widths=[64, 128, 256, 512],
                blocks=2,
                convolution="direct",
            ),
            Grid((0.05, 0.1), (0.9, 0.95), _WITHOUT_NORM),
            ("SGD", "SGD-Nesterov"),
            {"DampedSGD": (3.0, 5.0)},
            Sizes(search_steps=280, steps=2800, chunk=140, evaluate_every=280, seeds=2),
        ),
    },
    "nin": {
        "quick": Plan(
            "Network in Network on images",
            "sgd",
            _on_images("nin", 4, _FEW_IMAGES, halved=True, width=6, convolution="by_patches"),
            Grid((0.1,), (0.9, 0.95), _WITHOUT_NORM),
            ("SGD", "SGD-Nesterov"),
            {"DampedSGD": (3.0,)},
            _QUICK,
        ),
        "standard": Plan(
            "Narrow Network in Network on CIFAR-10 at 16 × 16",
            "sgd",
            _on_images("nin", 64, _IMAGES, halved=True, width=36, convolution="by_patches"),
            Grid((0.02, 0.05, 0.1), (0.9, 0.95), _WITHOUT_NORM),
            ("SGD", "SGD-Nesterov", "AdamW beside SGD"),
            {"DampedSGD": (3.0, 5.0, 7.0, 10.0)},
            Sizes(search_steps=250, steps=1000, chunk=50, evaluate_every=100, seeds=3),
        ),
        # 1.7e11 operations a step: 6 ms a step on an H100, 30 s to compile a program. Three programs, 16 runs of 500
        # steps and 8 of 5000: six minutes.
        "gpu": Plan(
            "Network in Network of 1 M parameters on CIFAR-10",
            "sgd",
            _on_images("nin", 128, _ALL_IMAGES, "bfloat16", halved=False, width=192, convolution="direct"),
            Grid((0.02, 0.05), (0.9, 0.95), _WITHOUT_NORM),
            ("SGD", "SGD-Nesterov"),
            {"DampedSGD": (3.0, 5.0)},
            Sizes(search_steps=500, steps=5000, chunk=250, evaluate_every=500, seeds=2),
        ),
    },
    "vit": {
        "quick": Plan(
            "Vision transformer on images",
            "adam",
            _on_images("vit", 4, _FEW_IMAGES, halved=True, patch=4, width=8, blocks=1, heads=2),
            Grid((0.002,), (0.9, 0.95), _IN_A_NORM),
            ("AdamW",),
            {"DampedAdamW": (3.0,)},
            _QUICK,
        ),
        "standard": Plan(
            "Vision transformer on CIFAR-10 at 16 × 16",
            "adam",
            _on_images("vit", 64, _IMAGES, halved=True, patch=4, width=64, blocks=3, heads=2),
            Grid((0.002, 0.004, 0.008), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Muon"),
            {"DampedAdamW": (NESTEROV, 3.0, 4.0)},
            Sizes(search_steps=250, steps=1000, chunk=50, evaluate_every=100, seeds=3),
        ),
        # As the GPT, 10 ms a step and 25 s to compile a program on an H100. Four programs, 20 runs of 300 steps and 12
        # of 1500, which are 21 epochs: six minutes.
        "gpu": Plan(
            "Vision transformer of 11 M parameters on CIFAR-10",
            "adam",
            _on_images("vit", 256, _ALL_IMAGES, "bfloat16", halved=False, patch=4, width=384, blocks=6, heads=6),
            Grid((0.0005, 0.001), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Muon"),
            {"DampedAdamW": (NESTEROV, 3.0)},
            Sizes(search_steps=300, steps=1500, chunk=100, evaluate_every=100, seeds=2),
        ),
    },
    "rnn": {
        "quick": Plan(
            "LSTM on characters",
            "adam",
            _on_text("rnn", context=8, batch_size=2, pieces=4, width=8),
            Grid((0.01,), (0.9, 0.95), _IN_A_NORM),
            ("AdamW",),
            {"DampedAdamW": (3.0,)},
            _QUICK,
        ),
        "standard": Plan(
            "LSTM on characters, over a context of 128",
            "adam",
            _on_text("rnn", context=128, batch_size=16, pieces=128, width=128),
            Grid((0.016, 0.032, 0.064), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Schedule-free AdamW"),
            {"DampedAdamW": (NESTEROV, 3.0, 4.0), "DampedAdamW, INNAprop's order": (1.0, 3.0)},
            Sizes(search_steps=200, steps=600, chunk=50, evaluate_every=50, seeds=3),
        ),
        # 256 characters one after the other, each some 10 small kernels: 15 ms a step on an H100, 15 s to compile a
        # program. Four programs, 20 runs of 300 steps and 12 of 1200: six minutes.
        "gpu": Plan(
            "LSTM of 1.3 M parameters on Python sources, over a context of 256",
            "adam",
            _on_python("rnn", context=256, batch_size=64, pieces=512, width=512),
            Grid((0.002, 0.004), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Schedule-free AdamW"),
            {"DampedAdamW": (NESTEROV, 3.0)},
            Sizes(search_steps=300, steps=1200, chunk=100, evaluate_every=100, seeds=2),
        ),
    },
    "finetune": {
        "quick": Plan(
            "Fine-tuned GPT on characters",
            "adam",
            _finetuned(
                _on_text("finetune", context=8, batch_size=2, pieces=4, width=8, blocks=1, heads=2),
                *(4, 2, 20_000),
            ),
            Grid((0.001,), (0.9, 0.95), _IN_A_NORM),
            ("AdamW",),
            {"DampedAdamW": (3.0,)},
            _QUICK,
        ),
        "standard": Plan(
            "GPT from Python sources, fine-tuned on another text",
            "adam",
            _finetuned(
                _on_text("finetune", context=64, batch_size=16, pieces=256, width=64, blocks=3, heads=4),
                *(600, 50, 2_000_000),
            ),
            Grid((0.001, 0.003, 0.01), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Lion", "Schedule-free AdamW"),
            {"DampedAdamW": EVERY_DAMPING},
            Sizes(search_steps=100, steps=200, chunk=50, evaluate_every=50, seeds=5),
        ),
        # As the GPT with half the batch: 6 ms a step and 25 s to compile a program on an H100. Four programs, 20 runs
        # of 100 steps, 30 of 200, and 1500 steps of pre-training: three minutes.
        "gpu": Plan(
            "GPT of 11 M parameters from Python sources, fine-tuned on another text",
            "adam",
            _finetuned(
                _on_text("finetune", context=256, batch_size=32, pieces=512, width=384, blocks=6, heads=6),
                *(1500, 100, CHARACTERS, "bfloat16"),
            ),
            Grid((0.0001, 0.0003), (0.9, 0.95), _IN_A_NORM),
            ("AdamW", "NAdamW", "Schedule-free AdamW"),
            {"DampedAdamW": (NESTEROV, 3.0)},
            Sizes(search_steps=100, steps=200, chunk=50, evaluate_every=50, seeds=5),
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
