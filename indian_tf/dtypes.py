"""The dtype in which coefficients and step sizes are computed."""

from typing import Any

import keras

__all__ = ["at_least_float32"]


def at_least_float32(dtype: Any) -> str:
    """float32 for a floating dtype of less precision, and any other dtype itself.

    Not `keras.backend.result_type`, for which float64 and float32 make float32 on JAX and PyTorch.

    Example:
        >>> at_least_float32("bfloat16"), at_least_float32("float64")
        ('float32', 'float64')
    """
    name = keras.backend.standardize_dtype(dtype)
    return "float32" if name in ("float16", "bfloat16") else name
