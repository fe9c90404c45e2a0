"""Dtypes of the state, and the dtypes to compute in."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["floating_dtype", "inexact_dtype", "promoted_dtype", "working_dtype"]


def floating_dtype(name: str, dtype: Any) -> Any:
    """The argument ``name``, checked: None, or a real floating dtype of 16 bits or more that is enabled.

    Raises:
        TypeError: ``dtype`` is anything else.
    """
    if dtype is None:
        return None
    try:
        # JAX accepts an array in place of its dtype.
        is_floating = not isinstance(dtype, jax.Array | np.ndarray) and jnp.issubdtype(dtype, jnp.floating)
        # JAX does not promote 8-bit dtypes to wider ones.
        is_floating = is_floating and jnp.dtype(dtype).itemsize > 1
    except TypeError:
        is_floating = False
    if not is_floating:
        raise TypeError(f"{name} must be a floating dtype of 16 bits or more, or None, got {dtype!r}")
    return jax.dtypes.canonicalize_dtype(dtype)


def inexact_dtype(array: Any) -> Any:
    """The dtype of an array; for an array of integers, the floating dtype that JAX promotes it to."""
    return promoted_dtype(array, 0.0)


def working_dtype(*arrays: Any) -> Any:
    """The dtype to compute with these arrays in: float32 or better."""
    return promoted_dtype(*arrays, jnp.float32)


def promoted_dtype(*arrays: Any) -> Any:
    """The dtype that JAX promotes arrays, numbers or dtypes to in its standard mode, in its strict mode, too."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*arrays)
