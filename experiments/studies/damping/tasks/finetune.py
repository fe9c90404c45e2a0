"""Fine-tuning: a GPT that has learned to predict Python sources goes on with another text.

The text is the one that the user names, in the alphabet of the sources; without one, it is other sources. The
pre-training is the same for all runs, by AdamW, and is computed once in a process.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from experiments.lib.data import named_text
from experiments.studies.damping.tasks import Task
from experiments.studies.damping.tasks.gpt import task_of
from experiments.studies.damping.tasks.texts import PYTHON_VOCABULARY, Text, as_python

__all__ = ["PRETRAINING", "load"]

PRETRAINING: Final = {"lr": 0.004, "momentum": 0.9, "norm_decay": 0.99, "weight_decay": 0.1}
"""AdamW's hyperparameters in the pre-training."""

_PRETRAINING_SEED: Final = 0


def load(description: Mapping[str, Any], source: Path | None) -> Task:
    """See `experiments.studies.damping.tasks.load`."""
    task = task_of(description, _other_text(source))
    pretrained = json.dumps(
        {key: description[key] for key in ("context", "network", "batch_size", "pieces", "precision", "pretraining")},
        sort_keys=True,
    )

    def initial_weights(seed: int) -> list[NDArray[Any]]:
        # The same ones for all seeds, which decide the batches alone.
        del seed
        return _pretrained(pretrained)

    return task._replace(initial_weights=initial_weights)


@cache
def _pretrained(description: str) -> list[NDArray[Any]]:
    # Not above: training loads tasks.
    from experiments.studies.damping.training import trained_weights

    described = json.loads(description)
    sizes = described.pop("pretraining")
    task = {"name": "gpt", "data": {"kind": "python", "characters": sizes["characters"]}, **described}
    return trained_weights(
        {
            "task": task,
            "optimizer": "adamw",
            "hyperparameters": PRETRAINING,
            "schedule": {"kind": "cosine", "warmup": 0.1},
            "steps": sizes["steps"],
            "chunk": sizes["chunk"],
            "evaluate_every": sizes["steps"],
            "seed": _PRETRAINING_SEED,
        }
    )


@cache
def _other_text(source: Path | None) -> Text:
    """90 % of the text for training, 5 % each for validation and test."""
    ids = as_python(np.frombuffer(named_text(source)[1].encode(), np.uint8))
    first, second = len(ids) * 90 // 100, len(ids) * 95 // 100
    return {"training": ids[:first], "validation": ids[first:second], "test": ids[second:]}, PYTHON_VOCABULARY
