"""The coefficients of a step as JAX wants them: computed once, and in the dtype of what they are multiplied with."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients

__all__ = ["in_dtype", "step_coefficients"]

Coefficients = TypeVar("Coefficients", StepCoefficients, NormCoefficients)


def step_coefficients(form: Callable[..., StepCoefficients], first: jax.Array) -> StepCoefficients:
    """The coefficients of a step that may be the first.

    Args:
        form: The form of the core with all of its arguments but ``first``.
        first: Whether it is the first step.
    """
    later = form(first=False)
    if any(isinstance(c, jax.Array) for c in later):
        return form(first=first)
    # All numbers are known now, but for which of two some are.
    return StepCoefficients(
        *(b if a == b else jnp.where(first, a, b) for a, b in zip(form(first=True), later, strict=True))
    )


def in_dtype(coefficients: Callable[[], Coefficients]) -> Callable[[Any], Coefficients]:
    """Coefficients as a function of the dtype of the arithmetic, computed where they are asked for."""
    coefficients = cache(coefficients)

    @cache
    def cast(dtype: Any) -> Coefficients:
        # A Python number takes the dtype of what it is multiplied with, and tells the core which terms are absent.
        c = coefficients()
        return type(c)(*(x.astype(dtype) if isinstance(x, jax.Array) else x for x in c))

    return cast
