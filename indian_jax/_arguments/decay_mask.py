"""The argument ``mask``, as Optax's own optimizers have it: which parameters decay."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
import optax

from indian_jax._arguments.trees import first_difference, is_none

__all__ = ["Mask", "check_mask", "decay_mask"]

Mask: TypeAlias = Any | Callable[[optax.Params], Any]
"""A tree of bools, or a function from the parameters to one."""


def check_mask(mask: Mask | None) -> None:
    """Raise an error unless ``mask`` is None, a function, or a tree of bools.

    Raises:
        TypeError: ``mask`` is anything else.
    """
    if mask is None or _is_function(mask):
        return
    for leaf in jax.tree.leaves(mask):
        if not isinstance(leaf, bool | np.bool_):
            raise TypeError(
                "mask must be a tree of bools, a function from the parameters to one, or None, "
                f"got {leaf!r} of type {type(leaf).__name__} in it"
            )


def decay_mask(mask: Mask | None, params: optax.Params) -> Any:
    """A tree of bools like ``params``: which leaves decay. All decay where ``mask`` is None.

    Raises:
        TypeError: ``mask`` is a function and does not return a tree of bools.
        ValueError: The tree of bools has neither the structure of ``params`` nor a prefix of it.
    """
    if mask is None:
        mask = True
    elif _is_function(mask):
        mask = mask(params)
        check_mask(mask)
    try:
        return jax.tree.map(lambda decays, below: jax.tree.map(lambda _: decays, below, is_leaf=is_none), mask, params)
    except ValueError as error:
        raise ValueError(
            f"mask must have the structure of the parameters, {jax.tree.structure(params)}, or a prefix of it, "
            f"got {jax.tree.structure(mask)}; {first_difference(mask, params)}"
        ) from error


def _is_function(mask: Mask) -> bool:
    # A tree of bools may be callable, too: one that was made by mapping over a module with __call__.
    return callable(mask) and jax.tree_util.all_leaves([mask])
