"""The step without curvature, which is known in closed form: Δ along the steepest direction."""

from indian_core.trust_region import model, plain_numbers
from indian_core.trust_region.problem import Problem, Solution, measured
from indian_core.trust_region.report import Termination
from indian_core.trust_region.space import VectorSpace

__all__ = ["solve"]


def solve(problem: Problem, space: VectorSpace) -> Solution:
    """The minimizer of gᵀs in the ellipsoid, −(Δ/‖g‖) A⁻¹g.

    Args:
        problem: The problem; its ``product`` is not used.
        space: The vectors.
    """
    xp = plain_numbers.beside(space.xp)
    steepest = space.precondition(problem.gradient)
    (squared,) = space.dots((problem.gradient, steepest))
    gradient_norm = xp.sqrt(squared)
    length = model.first_order_length(gradient_norm, problem.radius, xp=xp)
    solution = measured(problem, space, space.multiply(-length, steepest), None, gradient_norm)
    end = xp.where(gradient_norm > 0, int(Termination.BOUNDARY), int(Termination.CONVERGED))
    return solution._replace(termination=end)
