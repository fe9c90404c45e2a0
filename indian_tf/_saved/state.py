"""Checks of a saved state, before any of it is loaded.

Keras compares the number of arrays alone; the state of Adam for one variable has as many as that of INDIAN.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["check_fit", "load_own_variables"]


def load_own_variables(optimizer: Any, load: Callable[[Any], None], store: Any) -> None:
    """Load a state, or warn that it does not fit and load nothing.

    Args:
        optimizer: Of Keras.
        load: Its own method that loads a store.
        store: Of arrays, by their index as a string.
    """
    arrays = [store[key] for key in sorted(store.keys(), key=int)]
    # Keras has a warning of its own for an optimizer that is not built.
    if optimizer.built and (reason := _misfit(optimizer, arrays, "saved")):
        of = type(optimizer).__name__
        state = ", ".join(variable.name for variable in optimizer.variables)
        warnings.warn(
            f"{of} {optimizer.name!r} has not loaded the saved state, which is that of another optimizer, other "
            f"options or other variables: {reason}. The state of {of} is {state}. It starts anew",
            stacklevel=3,
        )
        return
    load(store)


def check_fit(optimizer: Any, arrays: Sequence[Any]) -> None:
    """Raise an error if the optimizer is built and these arrays cannot be its state.

    Raises:
        ValueError: They are more or fewer, or of other shapes.
    """
    if optimizer.built and (reason := _misfit(optimizer, arrays, "given")):
        raise ValueError(f"the arrays must be those of a state of {type(optimizer).__name__}: {reason}")


def _misfit(optimizer: Any, arrays: Sequence[Any], which: str) -> str | None:
    """Why these arrays cannot be the state, or None."""
    variables = optimizer.variables
    if len(arrays) != len(variables):
        return f"{type(optimizer).__name__} has {len(variables)} arrays, {len(arrays)} were {which}"
    for variable, array in zip(variables, arrays, strict=True):
        shape = tuple(np.shape(array))
        if shape != tuple(variable.shape):
            return f"{variable.name} is of shape {tuple(variable.shape)}, the {which} array of shape {shape}"
        if _is_whole(variable.dtype) and not _is_whole(getattr(array, "dtype", None)):
            return f"{variable.name} holds whole numbers, the {which} array others"
    return None


def _is_whole(dtype: Any) -> bool:
    return dtype is not None and "int" in keras.backend.standardize_dtype(dtype)
