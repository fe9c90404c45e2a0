"""The coefficients of a step as JAX wants them: computed once, and in the dtype of what they are multiplied with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients

__all__ = ["Packed", "in_dtype", "step_coefficients"]

Coefficients = TypeVar("Coefficients", StepCoefficients, NormCoefficients)


def step_coefficients(form: Callable[..., StepCoefficients], first: jax.Array) -> StepCoefficients:
    """The coefficients of a step that may be the first.

    Args:
        form: The form of the core with all of its arguments but ``first``.
        first: Whether it is the first step.
    """
    later = form(first=False)
    if isinstance(later.gradient_velocity, jax.Array):
        return _computed_once(form(first=first))
    if any(isinstance(c, jax.Array) for c in later):
        return form(first=first)
    # All numbers are known now, but for which of two some are.
    return StepCoefficients(
        *(b if a == b else jnp.where(first, a, b) for a, b in zip(form(first=True), later, strict=True))
    )


def _computed_once(coefficients: StepCoefficients) -> StepCoefficients:
    """The same numbers, for long formulas.

    XLA computes a scalar anew in every kernel that reads it, and compiles its formula with each. An array it keeps.
    """
    names = [name for name, c in coefficients._asdict().items() if isinstance(c, jax.Array)]
    array = jax.lax.optimization_barrier(jnp.stack([getattr(coefficients, name) for name in names]))
    return coefficients._replace(**dict(zip(names, array, strict=True)))


@partial(jax.tree_util.register_dataclass, data_fields=("arrays",), meta_fields=("kind", "numbers"))
@dataclass(frozen=True)
class Packed(Generic[Coefficients]):
    """Coefficients as an argument of a jitted function, in which the Python numbers among them stay what they are.

    A Python number takes the dtype of what it is multiplied with, and tells the core which terms are absent.

    Attributes:
        kind: The type of the coefficients.
        numbers: Those that are Python numbers, in order, and None for each of the others.
        arrays: The others.
    """

    kind: type[Coefficients]
    numbers: tuple[float | None, ...]
    arrays: Sequence[jax.Array]

    @classmethod
    def of(cls, coefficients: Coefficients, dtype: Any) -> "Packed[Coefficients]":
        """The coefficients, those that are arrays in that dtype."""
        numbers = tuple(None if isinstance(c, jax.Array) else c for c in coefficients)
        arrays = [c.astype(dtype) for c in coefficients if isinstance(c, jax.Array)]
        return cls(type(coefficients), numbers, arrays)

    def unpacked(self) -> Coefficients:
        """The coefficients again."""
        arrays = iter(self.arrays)
        return self.kind(*(next(arrays) if number is None else number for number in self.numbers))


def in_dtype(coefficients: Callable[[], Coefficients]) -> Callable[[Any], Packed[Coefficients]]:
    """Coefficients as a function of the dtype of the arithmetic, computed where they are asked for."""
    coefficients = cache(coefficients)
    return cache(lambda dtype: Packed.of(coefficients(), dtype))
