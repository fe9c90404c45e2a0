"""The solvers of the subproblem by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from indian_core.trust_region import first_order, lanczos, steihaug
from indian_core.trust_region.problem import Problem, Solution
from indian_core.trust_region.space import VectorSpace

__all__ = ["SUBPROBLEMS", "solve"]

SUBPROBLEMS: Final[Mapping[str, Callable[[Problem, VectorSpace], Solution]]] = MappingProxyType(
    {"steihaug": steihaug.solve, "lanczos": lanczos.solve}
)
"""Solvers of a problem with curvature."""


def solve(problem: Problem, space: VectorSpace, subproblem: str) -> Solution:
    """The step that minimizes the model in the ellipsoid.

    Args:
        problem: The problem; without a product, the solution is the first-order step.
        space: The vectors.
        subproblem: A key of ``SUBPROBLEMS``.

    Raises:
        KeyError: There is no solver of that name.
    """
    solver = SUBPROBLEMS[subproblem]
    return first_order.solve(problem, space) if problem.product is None else solver(problem, space)
