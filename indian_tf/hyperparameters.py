"""Hyperparameters as Python numbers, which a Keras config needs because it is written as JSON."""

from typing import Any

import numpy as np

from indian_core.hyperparameters import Range, check_number

__all__ = ["scalar"]


def scalar(name: str, value: Any, allowed: Range) -> float:
    """The argument ``name``, checked, as a Python number.

    Args:
        name: Name of the argument, for the error message.
        value: A number, or an array of one number, of NumPy or the Keras backend.
        allowed: The values that it may take.

    Raises:
        TypeError: ``value`` is not a number.
        ValueError: ``value`` is out of range, not finite, or an array of more or fewer than one number.

    Example:
        >>> from indian_core.hyperparameters import NON_NEGATIVE
        >>> scalar("alpha", np.array([0.5], dtype="float32"), NON_NEGATIVE)
        0.5
    """
    check_number(name, value, allowed)
    # PyTorch refuses to turn a parameter into a NumPy array, and TensorFlow's tensors have no item().
    return float(value.item() if hasattr(value, "item") else np.asarray(value).item())
