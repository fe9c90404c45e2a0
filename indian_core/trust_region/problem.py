"""The subproblem of a step, and its solution."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from indian_core.trust_region import model, plain_numbers
from indian_core.trust_region.report import Termination
from indian_core.trust_region.space import VectorSpace

__all__ = ["Problem", "Solution", "measured"]

Vector: TypeAlias = Any
"""What a framework takes for a vector: an array, or a tree of arrays."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


class Problem(NamedTuple):
    """Minimize gᵀs + ½ sᵀBs in the ellipsoid ‖s‖ <= Δ.

    Attributes:
        gradient: g.
        product: v ↦ Bv, new; None for B = 0.
        radius: Δ > 0.
        loss: L(w).
        loss_eps: The distance from 1 to the next number in the dtype that the loss is known in.
        tolerance: κ in (0, 1].
        max_iterations: >= 1.
    """

    gradient: Vector
    product: Callable[[Vector], Vector] | None
    radius: Scalar
    loss: Scalar
    loss_eps: float
    tolerance: Scalar
    max_iterations: int


class Solution(NamedTuple):
    """A step; the scalars as in `indian_core.trust_region.Report`.

    Attributes:
        step: s.
        step_norm: ‖s‖.
        gradient_norm: ‖g‖.
        model_decrease: −(gᵀs + ½ sᵀBs).
        iterations: Of the solver.
        termination: How the solver ended.
        negative_curvature: Whether it met a direction of curvature <= 0.
        products: Products with B that were made.
    """

    step: Vector
    step_norm: Scalar
    gradient_norm: Scalar
    model_decrease: Scalar
    iterations: Scalar = 0
    termination: Scalar = int(Termination.CONVERGED)
    negative_curvature: Scalar = False
    products: Scalar = 0


def measured(
    problem: Problem, space: VectorSpace, step: Vector, image: Vector | None, gradient_norm: Scalar
) -> Solution:
    """The solution with this step, brought into the ellipsoid, and with its decrease measured.

    Args:
        problem: The problem.
        space: The vectors.
        step: s; may be overwritten.
        image: Bs; None for B = 0.
        gradient_norm: ‖g‖.
    """
    xp = plain_numbers.beside(space.xp)
    pairs = [(problem.gradient, step), (step, space.apply_scale(step))]
    slope, squared, *curvature = space.dots(*pairs, *([] if image is None else [(step, image)]))
    step_norm = xp.sqrt(squared)
    multiple = model.admissible_multiple(step_norm, slope, problem.radius, eps=space.eps, xp=xp)
    along_step = curvature[0] if curvature else 0.0 * slope
    return Solution(
        step=space.multiply(multiple, step),
        step_norm=xp.abs(multiple) * step_norm,
        gradient_norm=gradient_norm,
        model_decrease=model.model_decrease(multiple * slope, multiple * multiple * along_step),
    )
