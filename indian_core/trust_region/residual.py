"""The residual at which a solver of the subproblem stops."""

from typing import Any, TypeAlias

import numpy

__all__ = ["residual_target"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


def residual_target(gradient_norm: Scalar, tolerance: float, *, eps: float, xp: Any = numpy) -> Scalar:
    """‖g‖ min(κ, ‖g‖), the residual norm at which to stop, but no smaller than rounding lets a residual be known.

    Args:
        gradient_norm: ‖g‖.
        tolerance: κ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        xp: Namespace of the scalars.

    Example:
        >>> float(residual_target(2.0, 0.5, eps=1e-16)), float(residual_target(0.25, 0.5, eps=1e-16))
        (1.0, 0.0625)
    """
    factor = xp.where(gradient_norm < tolerance, gradient_norm, tolerance)
    return gradient_norm * xp.where(factor > eps, factor, eps)
