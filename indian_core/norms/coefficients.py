"""A diagonal norm at one step, as four numbers, and what follows from them."""

from typing import Any, NamedTuple, TypeAlias

import numpy

from indian_core.norms.elementary import sqrt

__all__ = ["BareRoot", "NormCoefficients", "accumulate", "bare_root", "scale", "with_epsilon_in_root"]

Array: TypeAlias = Any
"""An array of any framework, or a Python number."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


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
        >>> from indian_core.norms.rmsprop import rmsprop
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
        >>> from indian_core.norms.rmsprop import rmsprop
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
        >>> from indian_core.norms.rmsprop import rmsprop
        >>> scale(0.25, rmsprop(1, decay=0.75, epsilon=0.5))
        1.5
    """
    c = coefficients
    if _has_no_root(c):
        return c.epsilon
    return c.root * sqrt(accumulator, xp) + c.epsilon


def with_epsilon_in_root(accumulator: Array, coefficients: NormCoefficients, epsilon: Scalar) -> Array:
    """The accumulator from which `scale` makes A = √(root² v⁺ + ``epsilon``) + ε, with a second epsilon in the root.

    Args:
        accumulator: v⁺, from `accumulate`.
        coefficients: Of this step, with a root.
        epsilon: >= 0, on the scale of g².

    Example:
        >>> from indian_core.norms.rmsprop import rmsprop
        >>> c = rmsprop(1, decay=0.75, epsilon=0.5)
        >>> scale(with_epsilon_in_root(1.25, c, 4.0), c)
        3.5
    """
    return accumulator + epsilon / (coefficients.root * coefficients.root)


def _has_no_root(coefficients: NormCoefficients) -> bool:
    """Whether the norm is the Euclidean."""
    return isinstance(coefficients.root, (int, float)) and coefficients.root == 0
