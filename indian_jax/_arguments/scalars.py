"""Hyperparameters and values of schedules: Python numbers, NumPy and JAX arrays, traced values."""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from indian_core.hyperparameters import Range, check_number
from indian_jax._arguments.dtypes import promoted_dtype

__all__ = ["Scalar", "scalar", "scheduled"]

Scalar: TypeAlias = float | jax.Array
"""A Python number, or an array without dimensions where the number is traced."""


def scalar(name: str, value: Any, allowed: Range) -> Scalar:
    """The argument ``name``, checked.

    The number inside a traced value is unknown, so only its dtype and shape are checked.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: ``value`` is out of range, not finite, or an array of more or fewer than one number.
    """
    if not isinstance(value, jax.core.Tracer):
        return check_number(name, value, allowed)
    if not _is_real(value.dtype):
        raise TypeError(f"{name} must be {allowed}, got an array of dtype {value.dtype}")
    return _without_dimensions(name, value, allowed)


def scheduled(name: str, value: Any) -> Scalar:
    """The value of a schedule for the argument ``name``; its type and shape are checked, its range is not.

    Raises:
        TypeError: ``value`` is not a real number.
        ValueError: ``value`` is an array of more or fewer than one number.
    """
    if isinstance(value, int | float):
        return value
    allowed = "a schedule of single numbers"
    dtype = getattr(value, "dtype", None)
    if dtype is None or not _is_real(dtype):
        raise TypeError(f"{name} must be {allowed}, got {value!r} of type {type(value).__name__}")
    return _without_dimensions(name, value, allowed)


def _is_real(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)


def _without_dimensions(name: str, value: Any, allowed: Range | str) -> jax.Array:
    # In bfloat16, 1 − αγ would be 1.
    array = jnp.asarray(value, promoted_dtype(value, jnp.result_type(float)))
    if array.size != 1:
        raise ValueError(f"{name} must be {allowed}, got an array of shape {array.shape}")
    return array.reshape(())
