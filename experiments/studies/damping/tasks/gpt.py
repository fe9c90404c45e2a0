"""A GPT that predicts the next character of a text."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.lib.networks.character_gpt import CharacterGPT, logits
from experiments.studies.damping.tasks import Task
from experiments.studies.damping.tasks.precision import namespace
from experiments.studies.damping.tasks.texts import (
    Text,
    batch_of,
    draws_of,
    evaluation_of,
    python_sources,
    text,
)

__all__ = ["hidden_matrices", "load", "task_of"]


def load(description: Mapping[str, Any], source: Path | None) -> Task:
    """See `experiments.studies.damping.tasks.load`."""
    described = description["data"]
    characters = python_sources(described["characters"]) if described["kind"] == "python" else text(described, source)
    return task_of(description, characters)


def task_of(description: Mapping[str, Any], characters: Text) -> Task:
    """The task of predicting a text.

    Args:
        description: ``context``, ``network``, ``batch_size``, ``pieces`` for the evaluation, and the ``precision`` of
            products.
        characters: The text.
    """
    parts, vocabulary = characters
    context, network = description["context"], description["network"]
    gpt = CharacterGPT(vocabulary, context, **network)
    arithmetic = namespace(description["precision"])

    def apply(weights: Sequence[Any], statistics: Any, x: Any, training: bool) -> tuple[jax.Array, Any]:
        del training
        return logits(gpt, weights, x, arithmetic, jax.nn), statistics

    return Task(
        initial_weights=gpt.initial_weights,
        initial_statistics=(),
        apply=apply,
        hidden=hidden_matrices(gpt),
        data=jnp.asarray(parts["training"]),
        draws=draws_of(parts["training"], context, description["batch_size"]),
        batch=batch_of(context),
        evaluation=evaluation_of(parts, context, description["pieces"]),
    )


@cache
def _shapes(gpt: CharacterGPT) -> tuple[tuple[int, ...], ...]:
    return tuple(weight.shape for weight in gpt.initial_weights(0))


def hidden_matrices(gpt: CharacterGPT) -> list[bool]:
    """Which weights are matrices, except the tables of the start and the layer of the logits.

    Example:
        >>> sum(hidden_matrices(CharacterGPT(vocabulary=9, context=8, width=8, blocks=2, heads=2)))
        8
    """
    shapes = _shapes(gpt)
    ends = (0, 1, len(shapes) - 2)
    return [len(shape) == 2 and place not in ends for place, shape in enumerate(shapes)]
