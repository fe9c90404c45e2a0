"""Conjugate gradients in an ellipsoid, after Steihaug and Toint, with the ellipsoid's matrix A as preconditioner.

The caller keeps the vectors: g, s, r, d, Bd and the diagonal A, six buffers of the size of the parameters; this module
keeps the scalars. One run is::

    s, r, d = 0, g, −A⁻¹g
    state = start(rᵀA⁻¹r, tolerance=κ, eps=eps)
    while state.termination == RUNNING:
        state, length = step_length(state, dᵀBd, sᵀAd, dᵀAd, radius)
        s, r = s + length d, r + length Bd
        state, momentum = next_direction(state, rᵀA⁻¹r, max_iterations)
        d = momentum d − A⁻¹r

after which r = g + Bs. The first iterate is the Cauchy point, and every later one lowers the model further. sᵀAd and
dᵀAd are to be measured: the recursions that hold for them in exact arithmetic go astray as rounding errors take the
conjugacy of the directions away, and then the step leaves the ellipsoid.

Sources: Steihaug, "The conjugate gradient method and trust regions in large scale optimization" (1983); Conn, Gould,
Toint, "Trust Region Methods" (2000), algorithm 7.5.1.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy

from indian_core.trust_region.model import distance_to_boundary
from indian_core.trust_region.report import Termination

__all__ = ["SteihaugState", "next_direction", "residual_target", "start", "step_length"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


class SteihaugState(NamedTuple):
    """The scalars that go from one iteration to the next.

    Attributes:
        residual_squared: rᵀA⁻¹r.
        target: The residual norm at which to stop.
        step_squared: ‖s‖².
        iterations: How many were made.
        termination: A `Termination`.
    """

    residual_squared: Scalar
    target: Scalar
    step_squared: Scalar
    iterations: Scalar
    termination: Scalar


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


def start(residual_squared: Scalar, *, tolerance: float, eps: float, xp: Any = numpy) -> SteihaugState:
    """The state at s = 0.

    Args:
        residual_squared: gᵀA⁻¹g.
        tolerance: κ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        xp: Namespace of the scalars.

    Example:
        >>> start(0.0, tolerance=0.1, eps=1e-16).termination == Termination.CONVERGED
        np.True_
    """
    nothing = xp.where(residual_squared == 0, int(Termination.CONVERGED), int(Termination.RUNNING))
    return SteihaugState(
        residual_squared=residual_squared,
        target=residual_target(xp.sqrt(residual_squared), tolerance, eps=eps, xp=xp),
        step_squared=0.0 * residual_squared,
        iterations=0 * nothing,
        termination=xp.where(xp.isfinite(residual_squared), nothing, int(Termination.NOT_FINITE)),
    )


def step_length(
    state: SteihaugState,
    curvature: Scalar,
    step_dot_direction: Scalar,
    direction_squared: Scalar,
    radius: Scalar,
    *,
    xp: Any = numpy,
) -> tuple[SteihaugState, Scalar]:
    """How far to go along d: to the model's minimizer, or to the boundary if that is nearer or there is none.

    Args:
        state: Before the step.
        curvature: dᵀBd.
        step_dot_direction: sᵀAd, measured.
        direction_squared: dᵀAd, measured.
        radius: Δ.
        xp: Namespace of the scalars.

    Returns:
        The state with the length of the new step, and whether the iteration has ended; and the length along d.
    """
    convex = curvature > 0
    to_minimizer = state.residual_squared / xp.where(convex, curvature, 1.0)
    to_boundary = distance_to_boundary(state.step_squared, step_dot_direction, direction_squared, radius, xp=xp)
    inside = convex & (to_minimizer < to_boundary)
    length = xp.where(inside, to_minimizer, to_boundary)
    end = xp.where(convex, int(Termination.BOUNDARY), int(Termination.NEGATIVE_CURVATURE))
    end = xp.where(inside, int(Termination.RUNNING), end)
    grown = state.step_squared + length * (2 * step_dot_direction + length * direction_squared)
    return (
        state._replace(
            step_squared=xp.where(inside, grown, radius * radius),
            termination=xp.where(xp.isfinite(curvature), end, int(Termination.NOT_FINITE)),
        ),
        length,
    )


def next_direction(
    state: SteihaugState, residual_squared: Scalar, max_iterations: int, *, xp: Any = numpy
) -> tuple[SteihaugState, Scalar]:
    """Whether to go on, and the part of d in the next direction.

    Args:
        state: As from `step_length`.
        residual_squared: rᵀA⁻¹r at the new step.
        max_iterations: The largest number of iterations.
        xp: Namespace of the scalars.

    Returns:
        The state after the iteration, and the coefficient of d in the next direction, the other part of which is −A⁻¹r.
    """
    iterations = state.iterations + 1
    end = xp.where(iterations >= max_iterations, int(Termination.ITERATION_LIMIT), int(Termination.RUNNING))
    end = xp.where(xp.sqrt(residual_squared) <= state.target, int(Termination.CONVERGED), end)
    end = xp.where(xp.isfinite(residual_squared), end, int(Termination.NOT_FINITE))
    termination = xp.where(state.termination == Termination.RUNNING, end, state.termination)
    momentum = residual_squared / state.residual_squared
    return state._replace(residual_squared=residual_squared, iterations=iterations, termination=termination), momentum
