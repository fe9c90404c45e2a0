"""100(θ₂ − |θ₁|)² + |1 − θ₁|, with operators only, and its gradient in NumPy."""

from typing import Any, Final

import numpy as np

__all__ = ["START", "across", "along", "gradient", "loss"]

START: Final = (-1.0, 1.5)


def across(theta: Any) -> Any:
    """θ₂ − |θ₁|: on which side of the valley's floor θ is, and how far. θ has the shape (2, …)."""
    return theta[1] - abs(theta[0])


def along(theta: Any) -> Any:
    """1 − θ₁: on which side of the minimum θ is, and how far."""
    return 1 - theta[0]


def loss(theta: Any) -> Any:
    """Of points of any framework, of the shape (2, …).

    Example:
        >>> loss(START)
        27.0
    """
    return 100 * across(theta) ** 2 + abs(along(theta))


def gradient(theta: np.ndarray) -> np.ndarray:
    """With 0 for the slope of |x| at 0, as in the frameworks.

    Example:
        >>> gradient(np.array(START))
        array([ 99., 100.])
    """
    slope = 200 * across(theta)
    return np.array([-slope * np.sign(theta[0]) - np.sign(along(theta)), slope])
