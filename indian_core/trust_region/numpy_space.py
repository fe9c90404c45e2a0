"""NumPy's vectors, for the solvers of the subproblem."""

from typing import Any, TypeAlias

import numpy
import numpy.typing as npt

from indian_core.norms import inner_product, preconditioned
from indian_core.trust_region.probe import probe
from indian_core.trust_region.space import PythonLoops

__all__ = ["NumPySpace"]

FloatArray: TypeAlias = npt.NDArray[Any]


class NumPySpace(PythonLoops):
    """Arrays of one dimension in an ellipsoid; see `indian_core.trust_region.space.VectorSpace`.

    Args:
        scale: A, positive, of the vectors' shape and dtype.

    Example:
        >>> from indian_core.trust_region.problem import Problem
        >>> from indian_core.trust_region.subproblem import solve
        >>> space = NumPySpace(np.ones(2))
        >>> limits = {"loss": 0.0, "loss_eps": 1e-16, "tolerance": 0.1, "max_iterations": 9}
        >>> problem = Problem(np.array([1.0, 2.0]), lambda v: 2 * v, radius=9.0, **limits)
        >>> solve(problem, space, "steihaug").step
        array([-0.5, -1. ])
    """

    xp = numpy

    def __init__(self, scale: FloatArray) -> None:
        self._scale = scale
        self.eps = float(numpy.finfo(scale.dtype).eps)

    def copy(self, x: FloatArray) -> FloatArray:
        """x."""
        return numpy.copy(x)

    def zeros_like(self, x: FloatArray) -> FloatArray:
        """0."""
        return numpy.zeros_like(x)

    def multiply(self, factor: float, x: FloatArray) -> FloatArray:
        """factor · x, in place."""
        x *= factor
        return x

    def add_scaled(self, x: FloatArray, factor: float, y: FloatArray) -> FloatArray:
        """x + factor · y, in place."""
        x += factor * y
        return x

    def apply_scale(self, x: FloatArray) -> FloatArray:
        """Ax."""
        return self._scale * x

    def precondition(self, x: FloatArray) -> FloatArray:
        """A⁻¹x."""
        return numpy.asarray(preconditioned(x, self._scale))

    def dots(self, *pairs: tuple[FloatArray, FloatArray]) -> list[Any]:
        """xᵀy of each pair."""
        return [inner_product(x, y) for x, y in pairs]

    def probe(self, like: FloatArray) -> FloatArray:
        """The probe of a space of so many dimensions."""
        return numpy.asarray(probe(numpy.arange(like.size)).astype(like.dtype) / numpy.sqrt(self._scale))
