"""Hyperparameters as JAX knows them: Python numbers, NumPy and JAX arrays, traced values."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from indian_core.hyperparameters import Range, check_number

__all__ = ["floating_dtype", "scalar", "scheduled"]


def scalar(name: str, value: Any, allowed: Range) -> float | jax.Array:
    """The argument ``name``, checked: a Python number, or where it is traced an array without dimensions.

    The number inside a traced value is unknown, so only its dtype and shape are checked.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: ``value`` is out of range, not finite, or an array of more or fewer than one number.
    """
    if not isinstance(value, jax.core.Tracer):
        return check_number(name, value, allowed)
    if not (jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)):
        raise TypeError(f"{name} must be {allowed}, got an array of dtype {value.dtype}")
    return _one_number(name, allowed, value)


def scheduled(name: str, value: Any) -> Any:
    """The value of a schedule for the argument ``name``, unchecked but for its shape.

    Raises:
        TypeError: ``value`` is not a real number.
        ValueError: ``value`` is an array of more or fewer than one number.
    """
    if isinstance(value, int | float):
        return value
    allowed = "a schedule of single numbers"
    dtype = getattr(value, "dtype", None)
    if dtype is None or not (jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)):
        raise TypeError(f"{name} must be {allowed}, got {value!r} of type {type(value).__name__}")
    return _one_number(name, allowed, value)


def _one_number(name: str, allowed: Range | str, value: Any) -> jax.Array:
    # Not in bfloat16, where 1 − αγ would be 1.
    array = jnp.asarray(value, jnp.promote_types(jnp.result_type(value), jnp.result_type(float)))
    if array.size != 1:
        raise ValueError(f"{name} must be {allowed}, got an array of shape {array.shape}")
    return array.reshape(())


def floating_dtype(name: str, dtype: Any) -> Any:
    """The argument ``name``, checked: None, or a real floating dtype of 16 bits or more that is enabled.

    Raises:
        TypeError: ``dtype`` is anything else.
    """
    if dtype is None:
        return None
    try:
        # JAX takes an array for its dtype, too.
        is_floating = not isinstance(dtype, jax.Array | np.ndarray) and jnp.issubdtype(dtype, jnp.floating)
        # JAX does no arithmetic between those of 8 bits and wider ones.
        is_floating = is_floating and jnp.dtype(dtype).itemsize > 1
    except TypeError:
        is_floating = False
    if not is_floating:
        raise TypeError(f"{name} must be a floating dtype of 16 bits or more, or None, got {dtype!r}")
    return jax.dtypes.canonicalize_dtype(dtype)
