"""The quadratic model m(s) = gᵀs + ½ sᵀBs in the ellipsoid ‖s‖ <= Δ: its decrease, and the steps known in closed form.

‖s‖ = √(sᵀAs) is the norm of steps and ‖g‖ = √(gᵀA⁻¹g) its dual, both from `indian_core.norms`. Functions take and
return scalars; the vectors stay with the caller. Sources: Conn, Gould, Toint, "Trust Region Methods" (2000), chapters 6
and 7; Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods" (2019).
"""

from typing import Any, TypeAlias

import numpy

__all__ = [
    "admissible_multiple",
    "cauchy_decrease",
    "cauchy_length",
    "distance_to_boundary",
    "eigenpoint_decrease",
    "first_order_length",
    "model_decrease",
]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


def model_decrease(gradient_dot_step: Scalar, curvature_along_step: Scalar) -> Scalar:
    """−(gᵀs + ½ sᵀBs), by how much the model falls from 0 to s.

    Args:
        gradient_dot_step: gᵀs.
        curvature_along_step: sᵀBs. With the residual r = g + Bs at hand it is sᵀr − gᵀs.

    Example:
        >>> model_decrease(-2.0, 2.0)
        1.0
    """
    return -(gradient_dot_step + 0.5 * curvature_along_step)


def first_order_length(gradient_norm: Scalar, radius: Scalar, *, xp: Any = numpy) -> Scalar:
    """Δ/‖g‖: the minimizer of gᵀs in the ellipsoid is −(Δ/‖g‖) A⁻¹g (Lemma 1). 0 where g = 0.

    With Δ = η‖g‖ the length is η, and the step is that of RMSProp or AdaGrad with learning rate η (Corollary 1).

    Args:
        gradient_norm: ‖g‖ >= 0.
        radius: Δ.
        xp: Namespace of the scalars.

    Example:
        >>> float(first_order_length(4.0, 0.1 * 4.0))
        0.1
    """
    positive = gradient_norm > 0
    return xp.where(positive, radius / xp.where(positive, gradient_norm, 1.0), 0.0)


def cauchy_length(gradient_norm: Scalar, curvature: Scalar, radius: Scalar, *, xp: Any = numpy) -> Scalar:
    """t such that the Cauchy point, the model's minimizer along the steepest direction, is −t A⁻¹g.

    Args:
        gradient_norm: ‖g‖ >= 0.
        curvature: pᵀBp for p = A⁻¹g.
        radius: Δ.
        xp: Namespace of the scalars.

    Example:
        >>> float(cauchy_length(2.0, 8.0, 10.0)), float(cauchy_length(2.0, -8.0, 10.0))
        (0.5, 5.0)
    """
    to_boundary = first_order_length(gradient_norm, radius, xp=xp)
    convex = curvature > 0
    newton = gradient_norm * gradient_norm / xp.where(convex, curvature, 1.0)
    return xp.where(convex & (newton < to_boundary), newton, to_boundary)


def cauchy_decrease(gradient_norm: Scalar, curvature: Scalar, radius: Scalar, *, xp: Any = numpy) -> Scalar:
    """The decrease of the model at the Cauchy point, which every step of the method matches (Assumption 2).

    Args:
        gradient_norm: ‖g‖ >= 0.
        curvature: pᵀBp for p = A⁻¹g.
        radius: Δ.
        xp: Namespace of the scalars.

    Example:
        >>> float(cauchy_decrease(2.0, 8.0, 10.0))
        1.0
    """
    length = cauchy_length(gradient_norm, curvature, radius, xp=xp)
    return model_decrease(-length * gradient_norm * gradient_norm, length * length * curvature)


def eigenpoint_decrease(
    gradient_dot_direction: Scalar, curvature: Scalar, radius: Scalar, *, xp: Any = numpy
) -> Scalar:
    """The decrease of the model at ±Δu, the better of the two, for a direction u of length 1 and negative curvature.

    0 where the curvature is not negative: there is no eigenpoint then.

    Args:
        gradient_dot_direction: gᵀu.
        curvature: uᵀBu.
        radius: Δ.
        xp: Namespace of the scalars.

    Example:
        >>> float(eigenpoint_decrease(1.0, -2.0, 3.0))
        12.0
    """
    slope = xp.where(gradient_dot_direction > 0, -gradient_dot_direction, gradient_dot_direction)
    decrease = model_decrease(radius * slope, radius * radius * curvature)
    return xp.where(curvature < 0, decrease, 0.0)


def distance_to_boundary(
    step_squared: Scalar, step_dot_direction: Scalar, direction_squared: Scalar, radius: Scalar, *, xp: Any = numpy
) -> Scalar:
    """τ >= 0 with ‖s + τd‖ = Δ, for s in the ellipsoid.

    Args:
        step_squared: ‖s‖².
        step_dot_direction: sᵀAd.
        direction_squared: ‖d‖² > 0.
        radius: Δ.
        xp: Namespace of the scalars.

    Example:
        >>> float(distance_to_boundary(9.0, 0.0, 1.0, 5.0))
        4.0
    """
    # The difference of two squares, as a product: near the boundary it is small.
    step_norm = xp.sqrt(step_squared)
    room = (radius - step_norm) * (radius + step_norm)
    room = xp.where(room > 0, room, 0.0)
    root = xp.sqrt(step_dot_direction * step_dot_direction + direction_squared * room)
    # Of the two forms of the same root, the one that adds numbers of one sign.
    outward = step_dot_direction > 0
    sum_of_both = xp.where(outward, step_dot_direction, -step_dot_direction) + root
    # What is not chosen must not divide by 0, which numbers do not do, nor must a direction too short to be squared.
    divisor = xp.where(direction_squared > 0, direction_squared, 1.0)
    return xp.where(outward, room / xp.where(outward, sum_of_both, 1.0), sum_of_both / divisor)


def admissible_multiple(
    step_norm: Scalar, gradient_dot_step: Scalar, radius: Scalar, *, eps: float, xp: Any = numpy
) -> Scalar:
    """c such that the step c·s, of s as computed, lies in the ellipsoid and does not point uphill.

    It differs from 1 by rounding errors, which may carry a step across the boundary, and by the sign of an eigenvector,
    which is arbitrary.

    Args:
        step_norm: ‖s‖, measured.
        gradient_dot_step: gᵀs.
        radius: Δ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        xp: Namespace of the scalars.

    Example:
        >>> float(admissible_multiple(1.0, -1.0, 2.0, eps=0.0)), float(admissible_multiple(4.0, 1.0, 2.0, eps=0.0))
        (1.0, -0.5)
    """
    outside = step_norm > radius
    size = xp.where(outside, (1 - 4 * eps) * radius / xp.where(outside, step_norm, 1.0), 1.0)
    return xp.where(gradient_dot_step > 0, -size, size)
