"""The norms that a method may work in: Euclidean, and the ellipsoidal ones of RMSProp and AdaGrad.

A norm ‖x‖ = √(xᵀAx) with a positive diagonal A, estimated from the gradients: A = √v̂ + ε, where v is a running mean of
g² (RMSProp, with its bias taken out) or their sum (AdaGrad). INDIAN in such a norm replaces the gradient by A⁻¹g, the
steepest direction of that norm; with RMSProp's A it is INNAprop. The same ellipsoids are the trust regions of Kohler,
Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods" (2019), whose matrices are A²: with
the root, the first-order step in the ellipsoid is the step of RMSProp and AdaGrad themselves.

Sources: Bolte, Boustany, Pauwels, Purica, "A second-order-like optimizer with adaptive gradient scaling for deep
learning" (2024), for INNAprop; Duchi, Hazan, Singer (2011) for AdaGrad; Tieleman, Hinton (2012) for RMSProp.

Every function works on Python numbers and, elementwise and in their dtype, on the arrays of any framework. What needs
more than operators takes it from ``xp``, the namespace of the arrays: `numpy`, `torch`, `jax.numpy`, `keras.ops`.
"""

import math
from typing import Any, Final, NamedTuple, TypeAlias

import numpy

__all__ = [
    "NORMS",
    "BareRoot",
    "NormCoefficients",
    "accumulate",
    "adagrad",
    "bare_root",
    "dual_norm",
    "euclidean",
    "inner_product",
    "norm",
    "norm_coefficients",
    "preconditioned",
    "rmsprop",
    "scale",
]

Array: TypeAlias = Any
"""An array of any framework, or a Python number."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""

NORMS: Final = ("rmsprop", "adagrad")
"""The names of the norms other than the Euclidean, whose name is None."""


class NormCoefficients(NamedTuple):
    """The norm at one step: how the gradient enters its accumulator v, and how its diagonal A follows from that.

    With g the gradient of the step::

        v⁺ = accumulator v + square g²
        A  = root √v⁺ + epsilon

    A coefficient that is the Python number 0 marks a term that is absent.

    Attributes:
        accumulator: σ for RMSProp, 1 for AdaGrad.
        square: 1 − σ for RMSProp, 1 for AdaGrad.
        root: 1/√(1 − σᵏ) for RMSProp in its k-th step, 1 for AdaGrad; 0 for the Euclidean norm.
        epsilon: ε; 1 for the Euclidean norm.
    """

    accumulator: Scalar
    square: Scalar
    root: Scalar
    epsilon: Scalar


def norm_coefficients(
    name: str | None, count: Scalar, decay: Scalar, epsilon: Scalar, xp: Any = numpy
) -> NormCoefficients:
    """The norm of that name: None for `euclidean`, or ``"rmsprop"``, or ``"adagrad"``.

    Args:
        name: None or one of `NORMS`.
        count: k, the number of gradients that v will have seen, this step's included.
        decay: σ; RMSProp alone has one.
        epsilon: ε >= 0.
        xp: Namespace of the arrays.

    Example:
        >>> norm_coefficients("adagrad", 1, 0.9, 1e-8).square
        1.0
    """
    if name == "rmsprop":
        return rmsprop(count, decay, epsilon, xp)
    return euclidean() if name is None else adagrad(epsilon)


def euclidean() -> NormCoefficients:
    """The Euclidean norm, A = 1; it has no accumulator.

    Example:
        >>> scale(None, euclidean())
        1.0
    """
    return NormCoefficients(accumulator=0.0, square=0.0, root=0.0, epsilon=1.0)


def rmsprop(count: Scalar, decay: Scalar, epsilon: Scalar, xp: Any = numpy) -> NormCoefficients:
    """The norm of RMSProp with its bias taken out, as in Adam: A = √(v/(1 − σᵏ)) + ε.

    Args:
        count: k >= 1, the number of gradients that v will have seen, this step's included.
        decay: σ in [0, 1).
        epsilon: ε >= 0.
        xp: Namespace of ``count`` or ``decay``, if they are arrays.

    Example:
        >>> rmsprop(1, decay=0.75, epsilon=0.0).root
        2.0
    """
    if isinstance(decay, int | float) and decay == 0:
        return NormCoefficients(accumulator=0.0, square=1.0, root=1.0, epsilon=epsilon)
    # In float32, the difference 1 − σᵏ would be off by 6e-5 of itself at the first step of σ = 0.999.
    bias_correction = -_function("expm1", count * _function("log", decay, xp), xp)
    return NormCoefficients(accumulator=decay, square=1 - decay, root=bias_correction**-0.5, epsilon=epsilon)


def adagrad(epsilon: Scalar) -> NormCoefficients:
    """The norm of AdaGrad: A = √v + ε with v the sum of all g².

    Example:
        >>> scale(accumulate(0.0, 3.0, adagrad(0.5)), adagrad(0.5))
        3.5
    """
    return NormCoefficients(accumulator=1.0, square=1.0, root=1.0, epsilon=epsilon)


class BareRoot(NamedTuple):
    """A⁻¹ at one step with a root that has no factor, which some libraries have as one operation.

    With v⁺ from `accumulate`::

        A⁻¹g = multiple g / (√v⁺ + epsilon)

    Attributes:
        multiple: 1/root; for the Euclidean norm, which has no root, A⁻¹ itself.
        epsilon: ε on the scale of √v⁺.
    """

    multiple: Scalar
    epsilon: Scalar


def bare_root(coefficients: NormCoefficients) -> BareRoot:
    """The norm with the factor of its root taken out.

    Args:
        coefficients: Of this step.

    Example:
        >>> bare_root(rmsprop(1, decay=0.75, epsilon=1.0))
        BareRoot(multiple=0.5, epsilon=0.5)
    """
    c = coefficients
    if _has_no_root(c):
        return BareRoot(multiple=1 / c.epsilon, epsilon=0.0)
    return BareRoot(multiple=1 / c.root, epsilon=c.epsilon / c.root)


def accumulate(accumulator: Array, gradient: Array, coefficients: NormCoefficients) -> Array:
    """v⁺, the accumulator with a gradient taken in.

    Args:
        accumulator: v >= 0, of the gradient's shape; 0 before the first gradient.
        gradient: g, real.
        coefficients: Of this step.

    Example:
        >>> accumulate(1.0, 2.0, rmsprop(2, decay=0.75, epsilon=0.0))
        1.75
    """
    return coefficients.accumulator * accumulator + coefficients.square * (gradient * gradient)


def scale(accumulator: Array | None, coefficients: NormCoefficients, xp: Any = numpy) -> Array:
    """A, the diagonal of the norm's matrix; the number 1 for the Euclidean norm.

    Args:
        accumulator: v⁺, from `accumulate`; anything for the Euclidean norm.
        coefficients: Of this step.
        xp: Namespace of the accumulator.

    Example:
        >>> scale(0.25, rmsprop(1, decay=0.75, epsilon=0.5))
        1.5
    """
    c = coefficients
    if _has_no_root(c):
        return c.epsilon
    return c.root * _function("sqrt", accumulator, xp) + c.epsilon


def preconditioned(gradient: Array, diagonal: Array) -> Array:
    """A⁻¹g, the direction of steepest ascent in the norm, of length ‖g‖ in the dual norm.

    Example:
        >>> preconditioned(3.0, 1.5)
        2.0
    """
    return gradient / diagonal


def inner_product(x: Array, y: Array, diagonal: Array = 1.0, xp: Any = numpy) -> Scalar:
    """xᵀAy.

    Args:
        x: A real array.
        y: One of its shape.
        diagonal: A, of that shape, or the number 1.
        xp: Namespace of the arrays.

    Example:
        >>> float(inner_product(numpy.array([1.0, 2.0]), numpy.array([3.0, 4.0]), numpy.array([1.0, 0.5])))
        7.0
    """
    return xp.sum(x * y * diagonal)


def norm(x: Array, diagonal: Array = 1.0, xp: Any = numpy) -> Scalar:
    """‖x‖ = √(xᵀAx).

    Example:
        >>> float(norm(numpy.array([3.0, 2.0]), numpy.array([1.0, 4.0])))
        5.0
    """
    return _function("sqrt", inner_product(x, x, diagonal, xp), xp)


def dual_norm(gradient: Array, diagonal: Array = 1.0, xp: Any = numpy) -> Scalar:
    """‖g‖ = √(gᵀA⁻¹g), the norm of gradients that belongs to the norm of steps: gᵀs <= ‖g‖ ‖s‖.

    Example:
        >>> float(dual_norm(numpy.array([3.0, 8.0]), numpy.array([1.0, 4.0])))
        5.0
    """
    return _function("sqrt", inner_product(gradient, preconditioned(gradient, diagonal), 1.0, xp), xp)


def _has_no_root(coefficients: NormCoefficients) -> bool:
    """Whether the norm is the Euclidean."""
    return isinstance(coefficients.root, int | float) and coefficients.root == 0


def _function(name: str, argument: Any, xp: Any) -> Any:
    """An elementary function of a Python number or an array; frameworks' own take no numbers."""
    return getattr(math if isinstance(argument, int | float) else xp, name)(argument)
