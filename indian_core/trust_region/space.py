"""What a solver of the subproblem asks of a framework: vectors with the inner products of an ellipsoid, and loops."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

__all__ = ["PythonLoops", "VectorSpace"]

Vector: TypeAlias = Any
"""What a framework takes for a vector: an array, or a tree of arrays."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


class VectorSpace(Protocol):
    """The vectors of one framework in the ellipsoid ‖s‖ = √(sᵀAs).

    A solver never uses a vector again that it has handed over as ``x`` to a method that may overwrite it. So a
    framework whose arrays can change works in place, and the others return new arrays.
    """

    @property
    def xp(self) -> Any:
        """The namespace of the scalars and of small arrays of them, such as `numpy`, `jax.numpy` or `keras.ops`.

        With `numpy`, scalars may be Python numbers.
        """

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number in the dtype of the vectors."""

    def copy(self, x: Vector) -> Vector:
        """The same vector, in memory of its own where vectors can be overwritten."""

    def zeros_like(self, x: Vector) -> Vector:
        """0."""

    def multiply(self, factor: Scalar, x: Vector) -> Vector:
        """factor · x; may overwrite x."""

    def add_scaled(self, x: Vector, factor: Scalar, y: Vector) -> Vector:
        """x + factor · y; may overwrite x."""

    def apply_scale(self, x: Vector) -> Vector:
        """Ax, new: the gradient that belongs to a step."""

    def precondition(self, x: Vector) -> Vector:
        """A⁻¹x, new: the step that belongs to a gradient."""

    def dots(self, *pairs: tuple[Vector, Vector]) -> Sequence[Scalar]:
        """xᵀy of each pair, all at once: a device is waited for once."""

    def probe(self, like: Vector) -> Vector:
        """√A⁻¹ times `indian_core.trust_region.lanczos.probe` of the indices 0, 1, 2, … of all entries; new."""

    def choose(self, condition: Scalar, yes: Callable[[], Vector], no: Callable[[], Vector]) -> Vector:
        """The vector that one of two functions returns; the other is not computed where that can be avoided."""

    def loop(self, runs: Callable[..., Scalar], iterate: Callable[..., Any], carry: list[Any]) -> tuple[Any, ...]:
        """``carry = iterate(*carry)`` as long as ``runs(*carry)``; the list may be emptied."""

    def twice(self, run: Callable[[Any, Scalar], Any], state: Any) -> tuple[Any, Any]:
        """``first = run(state, False)`` and ``second = run(first, True)``, where one loop may serve both."""


class PythonLoops:
    """The loops of frameworks whose scalars are known as the program runs."""

    @staticmethod
    def choose(condition: Scalar, yes: Callable[[], Vector], no: Callable[[], Vector]) -> Vector:
        """As `VectorSpace.choose`."""
        return yes() if condition else no()

    @staticmethod
    def loop(runs: Callable[..., Scalar], iterate: Callable[..., Any], carry: list[Any]) -> tuple[Any, ...]:
        """As `VectorSpace.loop`."""
        now = tuple(carry)
        # The caller's list would keep the first vectors alive.
        carry.clear()
        while runs(*now):
            now = iterate(*now)
        return now

    @staticmethod
    def twice(run: Callable[[Any, Scalar], Any], state: Any) -> tuple[Any, Any]:
        """As `VectorSpace.twice`."""
        first = run(state, False)
        return first, run(first, True)
