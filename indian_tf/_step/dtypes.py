"""The dtype in which coefficients and step sizes are computed."""

from typing import Any

import keras

__all__ = ["at_least_float32"]


def at_least_float32(*dtypes: Any) -> str:
    """float64 if that is among the floating dtypes, else float32.

    Not `keras.backend.result_type`, for which float64 and float32 make float32 on JAX and PyTorch.

    Example:
        >>> at_least_float32("bfloat16"), at_least_float32("float64", "bfloat16")
        ('float32', 'float64')
    """
    return "float64" if "float64" in map(keras.backend.standardize_dtype, dtypes) else "float32"
