"""To how many digits a loss is known."""

from typing import Any, TypeAlias

import numpy

__all__ = ["ROUNDING", "rounding_error"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""

ROUNDING = 10.0
"""Units in the last place to which a loss is taken to be known."""


def rounding_error(loss: Scalar, eps: float, *, xp: Any = numpy) -> Scalar:
    """The error to which a loss is known: `ROUNDING` units in the last place; 0 for one that is not finite.

    Args:
        loss: L(w).
        eps: The distance from 1 to the next number in the dtype of the loss.
        xp: Namespace of the scalars.

    Example:
        >>> float(rounding_error(-2.0, 0.5))
        10.0
    """
    return ROUNDING * eps * xp.where(xp.isfinite(loss), xp.abs(loss), 0.0)
