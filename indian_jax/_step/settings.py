"""The hyperparameters of the transformation, checked."""

from dataclasses import dataclass
from typing import Any

import jax
import optax

from indian_jax._arguments.decay_mask import Mask
from indian_jax._arguments.scalars import Scalar

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """The hyperparameters of `indian_jax.indian`, checked.

    Attributes:
        learning_rate: γ, or a schedule.
        largest_step_size: A number that no value of the schedule exceeds; None where it is unknown.
        alpha: α.
        beta: β.
        initial_speed: s; None is β.
        weight_decay: λ.
        mask: Which parameters decay; None is all.
        norm: Name of the norm; None is the Euclidean norm.
        norm_decay: σ; unused, and unchecked in bfloat16, where the norm has none.
        norm_epsilon: ε.
        velocity_dtype: Dtype of the velocity of real parameters; None is the parameter's own.
        norm_dtype: Dtype of the accumulator; None is the parameter's own.
    """

    learning_rate: Scalar | optax.Schedule
    largest_step_size: float | None
    alpha: Scalar
    beta: Scalar
    initial_speed: Scalar | None
    weight_decay: Scalar
    mask: Mask | None
    norm: str | None
    norm_decay: Scalar
    norm_epsilon: Scalar
    velocity_dtype: Any
    norm_dtype: Any

    @property
    def decays(self) -> bool:
        """Whether a parameter may decay: λ is not known to be 0."""
        return isinstance(self.weight_decay, jax.Array) or self.weight_decay != 0
