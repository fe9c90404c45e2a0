"""The coefficients of a step: computed once, in the dtype of the arrays that they multiply."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp

from indian_core import norms
from indian_core.damping import post_damping_form, pre_damping_form
from indian_core.dynamics import StepCoefficients, post_form
from indian_core.norms import NormCoefficients
from indian_jax._arguments.scalars import Scalar, scheduled
from indian_jax._compat import optimization_barrier
from indian_jax._step.settings import Settings

__all__ = ["Packed", "damping_coefficients", "norm_coefficients", "step_coefficients"]

Coefficients = TypeVar("Coefficients", StepCoefficients, NormCoefficients)


def step_coefficients(settings: Settings, count: jax.Array) -> "Callable[[Any, bool], Packed[StepCoefficients]]":
    """The coefficients of a step in post form, as a function of a dtype and of whether the parameter decays.

    Args:
        settings: Hyperparameters.
        count: Number of steps taken before.
    """
    step_size = settings.learning_rate
    if callable(step_size):
        step_size = scheduled("learning_rate", step_size(count))
    form = partial(
        post_form,
        step_size,
        settings.alpha,
        settings.beta,
        initial_speed=settings.initial_speed,
        largest_step_size=settings.largest_step_size,
    )
    first = count == 0

    @cache
    def exact(decays: bool) -> StepCoefficients:
        return _of_a_step_that_may_be_the_first(
            partial(form, weight_decay=settings.weight_decay if decays else 0.0), first
        )

    return cache(lambda dtype, decays: Packed.of(exact(decays), dtype))


def damping_coefficients(
    momentum: Scalar, damping: Scalar, count: jax.Array | None, gain: float | None
) -> "Callable[[Any, bool], Packed[StepCoefficients]]":
    """The coefficients of the direction of damped momentum, as a function like that of `step_coefficients`.

    Args:
        momentum: μ.
        damping: r.
        count: Number of steps taken, this one included, to take the bias of an average out; None leaves it.
        gain: As in `indian_core.damping.pre_damping_form`.
    """
    # The new buffer can overwrite the old one if it alone is read. A small μ does not allow to recover the old from it.
    form = post_damping_form if isinstance(momentum, float) and momentum >= 0.25 else pre_damping_form
    exact = form(-1.0, momentum, damping, gain=gain, count=None if count is None else jnp.asarray(count, float), xp=jnp)
    return cache(lambda dtype, decays: Packed.of(exact, dtype))


def norm_coefficients(
    norm: str | None, count: jax.Array, decay: Scalar, epsilon: Scalar
) -> "Callable[[Any], Packed[NormCoefficients]]":
    """The coefficients of a norm, as a function of a real dtype.

    Args:
        norm: Its name; None is the Euclidean norm.
        count: Number of steps taken, this one included.
        decay: σ.
        epsilon: ε.
    """

    @cache
    def exact() -> NormCoefficients:
        return norms.norm_coefficients(norm, jnp.asarray(count, float), decay, epsilon, jnp)

    return cache(lambda dtype: Packed.of(exact(), dtype))


def _of_a_step_that_may_be_the_first(form: Callable[..., StepCoefficients], first: jax.Array) -> StepCoefficients:
    """The coefficients of ``form``, a form of the core that lacks its argument ``first``."""
    # As numbers: in its strict mode, JAX multiplies no bool with a float.
    later = form(first=0.0)
    if isinstance(later.gradient_velocity, jax.Array):
        return _computed_once(form(first=first.astype(float)))
    if any(isinstance(c, jax.Array) for c in later):
        return form(first=first.astype(float))
    # All numbers are known, except which of two applies.
    return StepCoefficients(
        *(b if a == b else jnp.where(first, a, b) for a, b in zip(form(first=1.0), later, strict=True))
    )


def _computed_once(coefficients: StepCoefficients) -> StepCoefficients:
    """The same numbers, in one array that XLA keeps.

    XLA recomputes a scalar in every kernel that reads it. Without the array, it would compile the long formulas of
    these scalars with every leaf.
    """
    names = [name for name, c in coefficients._asdict().items() if isinstance(c, jax.Array)]
    array = optimization_barrier(jnp.stack([getattr(coefficients, name) for name in names]))
    return coefficients._replace(**dict(zip(names, array, strict=True)))


@partial(jax.tree_util.register_dataclass, data_fields=("arrays",), meta_fields=("kind", "numbers"))
@dataclass(frozen=True)
class Packed(Generic[Coefficients]):
    """Coefficients as an argument of a jitted function, in which the Python numbers among them stay Python numbers.

    A Python number takes the dtype of the array that it multiplies, and tells the core which terms are absent.

    Attributes:
        kind: The type of the coefficients.
        numbers: The Python numbers, in order, with None in place of each array.
        arrays: The arrays, in order.
    """

    kind: type[Coefficients]
    numbers: tuple[float | None, ...]
    arrays: Sequence[jax.Array]

    @classmethod
    def of(cls, coefficients: Coefficients, dtype: Any) -> "Packed[Coefficients]":
        """Pack coefficients, with the arrays among them cast to that dtype."""
        numbers = tuple(None if isinstance(c, jax.Array) else c for c in coefficients)
        arrays = [c.astype(dtype) for c in coefficients if isinstance(c, jax.Array)]
        return cls(type(coefficients), numbers, arrays)

    def unpacked(self) -> Coefficients:
        """The coefficients again."""
        arrays = iter(self.arrays)
        return self.kind(*(next(arrays) if number is None else number for number in self.numbers))
