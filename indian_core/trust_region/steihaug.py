"""Conjugate gradients in an ellipsoid, after Steihaug and Toint, with the ellipsoid's matrix A as preconditioner.

`solve` is the loop; the other functions are its scalars. The loop keeps six vectors: g, s, r, d, Bd and the diagonal A.
After it, r = g + Bs. The first iterate is the Cauchy point, and every later one lowers the model further.

sᵀAd and dᵀAd are measured in each iteration. Recursions would give them in exact arithmetic; rounding errors take the
conjugacy of the directions away, and the step would leave the ellipsoid.

Sources: Steihaug, "The conjugate gradient method and trust regions in large scale optimization" (1983); Conn, Gould,
Toint, "Trust Region Methods" (2000), algorithm 7.5.1.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy

from indian_core.trust_region import plain_numbers
from indian_core.trust_region.model import distance_to_boundary
from indian_core.trust_region.problem import Problem, Solution, measured
from indian_core.trust_region.report import Termination
from indian_core.trust_region.residual import residual_target
from indian_core.trust_region.space import VectorSpace

__all__ = ["SteihaugState", "next_direction", "solve", "start", "step_length"]

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


def solve(problem: Problem, space: VectorSpace) -> Solution:
    """The step by conjugate gradients.

    Args:
        problem: With its ``product``.
        space: The vectors.
    """
    product, gradient, xp = problem.product, problem.gradient, plain_numbers.beside(space.xp)
    assert product is not None

    def runs(state: SteihaugState, *_: Any) -> Scalar:
        return state.termination == Termination.RUNNING

    def iterate(state: SteihaugState, step: Any, residual: Any, direction: Any) -> Any:
        image, scaled = product(direction), space.apply_scale(direction)
        curvature, along, squared = space.dots((direction, image), (step, scaled), (direction, scaled))
        state, length = step_length(state, curvature, along, squared, problem.radius, xp=xp)
        step, residual = space.add_scaled(step, length, direction), space.add_scaled(residual, length, image)
        del image, scaled
        preconditioned = space.precondition(residual)
        (squared,) = space.dots((residual, preconditioned))
        state, momentum = next_direction(state, squared, problem.max_iterations, xp=xp)
        return state, step, residual, space.add_scaled(space.multiply(momentum, direction), -1.0, preconditioned)

    preconditioned = space.precondition(gradient)
    (squared,) = space.dots((gradient, preconditioned))
    state = start(squared, tolerance=problem.tolerance, eps=space.eps, xp=xp)
    carry = [state, space.zeros_like(gradient), space.copy(gradient), space.multiply(-1.0, preconditioned)]
    state, step, residual, _ = space.loop(runs, iterate, carry)
    image = space.add_scaled(residual, -1.0, gradient)
    return measured(problem, space, step, image, xp.sqrt(squared))._replace(
        iterations=state.iterations,
        termination=state.termination,
        negative_curvature=state.termination == Termination.NEGATIVE_CURVATURE,
        products=state.iterations,
    )


def start(residual_squared: Scalar, *, tolerance: float, eps: float, xp: Any = numpy) -> SteihaugState:
    """The state at s = 0.

    Args:
        residual_squared: gᵀA⁻¹g.
        tolerance: κ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        xp: Namespace of the scalars.

    Example:
        >>> bool(start(0.0, tolerance=0.1, eps=1e-16).termination == Termination.CONVERGED)
        True
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
