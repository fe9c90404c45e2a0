"""What the study trains: a module for each task, with a function ``load`` that returns a `Task`."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TASKS", "Arrays", "Task", "load", "module_of"]

TASKS: Final = ("gpt", "resnet", "nin", "vit", "rnn", "finetune")
"""The names of the tasks: each is a module of this package."""

Arrays = tuple[Any, Any]
"""Inputs and labels."""


class Task(NamedTuple):
    """A network and its data. The loss is the cross-entropy.

    Attributes:
        initial_weights: From a seed, a list of arrays.
        initial_statistics: The running averages of the batch normalization, a tree of arrays; () without one.
        apply: Logits and new statistics, from weights, statistics, inputs, and whether this is training.
        hidden: Which of the weights are matrices between hidden layers, the ones that Muon orthogonalizes.
        data: A tree of arrays, from which ``batch`` takes the batches.
        draws: From a seed, endless draws of what identifies a batch: trees of arrays.
        batch: Inputs and labels, from the data and a draw.
        evaluation: For "validation" and "test", inputs and labels, in batches of equal sizes along the first axis.
    """

    initial_weights: Callable[[int], list[NDArray[Any]]]
    initial_statistics: Any
    apply: Callable[..., tuple[Any, Any]]
    hidden: list[bool]
    data: Any
    draws: Callable[[int], Iterator[Any]]
    batch: Callable[[Any, Any], Arrays]
    evaluation: Mapping[str, Arrays]


def module_of(name: str) -> str:
    """The module of a task.

    Raises:
        ValueError: There is no such task.

    Example:
        >>> module_of("gpt")
        'experiments.studies.damping.tasks.gpt'
    """
    if name not in TASKS:
        raise ValueError(f"there is no task {name!r}; the tasks are: {', '.join(TASKS)}")
    return f"{__name__}.{name}"


def load(description: Mapping[str, Any], source: Any) -> Task:
    """The task that a configuration describes.

    Args:
        description: Its ``name``, ``batch_size``, the sizes of its network and its data.
        source: What the user named with ``--data``.
    """
    return import_module(module_of(description["name"])).load(description, source)


def in_batches(arrays: Arrays, batch_size: int) -> Arrays:
    """Arrays with a new first axis: the number of the batch. What does not fill a batch is dropped.

    Example:
        >>> x, y = in_batches((np.zeros((7, 2)), np.zeros(7)), 3)
        >>> x.shape, y.shape
        ((2, 3, 2), (2, 3))
    """
    size = min(batch_size, len(arrays[1]))
    n = len(arrays[1]) // size * size
    x, y = (np.asarray(array)[:n].reshape(-1, size, *np.shape(array)[1:]) for array in arrays)
    return x, y
