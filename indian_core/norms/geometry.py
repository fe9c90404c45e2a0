"""Inner products, norms and steepest directions that a positive diagonal A defines."""

from typing import Any, TypeAlias

import numpy

from indian_core.norms.elementary import sqrt

__all__ = ["dual_norm", "inner_product", "norm", "preconditioned"]

Array: TypeAlias = Any
"""An array of any framework, or a Python number."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


def preconditioned(gradient: Array, scale: Array) -> Array:
    """A⁻¹g, the direction of steepest ascent in the norm, of length ‖g‖ in the dual norm.

    Example:
        >>> preconditioned(3.0, 1.5)
        2.0
    """
    return gradient / scale


def inner_product(x: Array, y: Array, scale: Array = 1.0, xp: Any = numpy) -> Scalar:
    """xᵀAy.

    Args:
        x: A real array.
        y: One of its shape.
        scale: A, of that shape, or the number 1.
        xp: Namespace of the arrays.

    Example:
        >>> float(inner_product(numpy.array([1.0, 2.0]), numpy.array([3.0, 4.0]), numpy.array([1.0, 0.5])))
        7.0
    """
    return xp.sum(x * y * scale)


def norm(x: Array, scale: Array = 1.0, xp: Any = numpy) -> Scalar:
    """‖x‖ = √(xᵀAx).

    Example:
        >>> float(norm(numpy.array([3.0, 2.0]), numpy.array([1.0, 4.0])))
        5.0
    """
    return sqrt(inner_product(x, x, scale, xp), xp)


def dual_norm(gradient: Array, scale: Array = 1.0, xp: Any = numpy) -> Scalar:
    """‖g‖ = √(gᵀA⁻¹g), the norm of gradients that belongs to the norm of steps: gᵀs <= ‖g‖ ‖s‖.

    Example:
        >>> float(dual_norm(numpy.array([3.0, 8.0]), numpy.array([1.0, 4.0])))
        5.0
    """
    return sqrt(inner_product(gradient, preconditioned(gradient, scale), 1.0, xp), xp)
