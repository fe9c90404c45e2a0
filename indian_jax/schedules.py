"""The step-size schedules of the core as Optax schedules: functions of the step count, traceable.

A constant step size is a number, or `optax.constant_schedule`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from indian_core.hyperparameters import NON_NEGATIVE
from indian_core.schedules import LogarithmicDecay, PowerDecay
from indian_jax._arguments.scalars import Scalar, scalar

__all__ = ["largest_value", "logarithmic_decay", "power_decay"]


def power_decay(init_value: Scalar, power: float = 0.5, warmup_steps: int = 0) -> optax.Schedule:
    """γ_k = γ₀(k + 1)^(−q), after a linear warm-up if there is one: see `indian_core.schedules.PowerDecay`.

    Args:
        init_value: γ₀ >= 0; not checked where it is traced.
        power: q >= 0; 1/2 is the papers' protocol.
        warmup_steps: Steps of linear warm-up, an integer >= 0.

    Raises:
        TypeError, ValueError: An argument is not a number in its range.

    Example:
        >>> import jax.numpy as jnp
        >>> from indian_jax import indian, power_decay
        >>> schedule = power_decay(1.0, power=1.0)
        >>> float(schedule(jnp.array(3)))
        0.25
        >>> tx = indian(schedule, alpha=0.5, beta=0.1)
    """
    return _scaled(init_value, PowerDecay(1.0, power, warmup_steps))


def logarithmic_decay(init_value: Scalar, power: float = 2.0) -> optax.Schedule:
    """γ_k = γ₀ / log(k + e)^p: see `indian_core.schedules.LogarithmicDecay`.

    Args:
        init_value: γ₀ >= 0; not checked where it is traced.
        power: p >= 0; Assumption 1 of the paper asks for p > 1.

    Raises:
        TypeError, ValueError: An argument is not a number in its range.

    Example:
        >>> import jax.numpy as jnp
        >>> from indian_jax import indian, logarithmic_decay
        >>> schedule = logarithmic_decay(1.0)
        >>> float(schedule(jnp.array(0)))
        1.0
        >>> tx = indian(schedule, alpha=0.5, beta=0.1)
    """
    return _scaled(init_value, LogarithmicDecay(1.0, power))


def _scaled(init_value: Scalar, unit: Callable[[Any], Any]) -> "_Scaled":
    return _Scaled(scalar("init_value", init_value, NON_NEGATIVE), unit)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """γ₀ times a schedule of the core that starts at 1; this way γ₀ can be a traced value."""

    initial: Scalar
    unit: Callable[[Any], Any]

    def __call__(self, count: jax.typing.ArrayLike) -> jax.Array:
        # JAX divides an int32 in float32 even where float64 is enabled.
        return self.initial * self.unit(jnp.asarray(count, float))


def largest_value(schedule: optax.Schedule) -> float | None:
    """A number that no value of the schedule exceeds; known for the schedules of this module, None for others."""
    if not isinstance(schedule, _Scaled) or isinstance(schedule.initial, jax.Array):
        return None
    return schedule.initial
