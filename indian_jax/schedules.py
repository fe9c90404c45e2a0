"""The step-size schedules of the core as Optax schedules: functions of the step count, traceable.

A constant step size is a number, or `optax.constant_schedule`.
"""

from functools import partial

import jax.numpy as jnp
import optax

from indian_core.schedules import LogarithmicDecay, PowerDecay

__all__ = ["logarithmic_decay", "power_decay"]


def power_decay(init_value: float, power: float = 0.5, warmup_steps: int = 0) -> optax.Schedule:
    """γ_k = γ₀(k + 1)^(−q), after a linear warm-up if there is one: see `indian_core.schedules.PowerDecay`.

    Args:
        init_value: γ₀ >= 0.
        power: q >= 0; 1/2 is the papers' protocol.
        warmup_steps: Steps of linear warm-up, an integer >= 0.

    Raises:
        TypeError, ValueError: An argument is not a number in its range.

    Example:
        >>> float(power_decay(1.0, power=1.0)(jnp.array(3)))
        0.25
    """
    return PowerDecay(init_value, power, warmup_steps)


def logarithmic_decay(init_value: float, power: float = 2.0) -> optax.Schedule:
    """γ_k = γ₀ / log(k + e)^p: see `indian_core.schedules.LogarithmicDecay`.

    Args:
        init_value: γ₀ >= 0.
        power: p >= 0; Assumption 1 of the paper asks for p > 1.

    Raises:
        TypeError, ValueError: An argument is not a number in its range.

    Example:
        >>> float(logarithmic_decay(1.0)(jnp.array(0)))
        1.0
    """
    return partial(LogarithmicDecay(init_value, power), log=jnp.log)
