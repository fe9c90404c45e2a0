"""SGD with damped momentum, with the signature of `optax.sgd`."""

import jax
import optax

from indian_jax._arguments.damping import check_learning_rate, damping_of_flag
from indian_jax.damped_momentum import scale_by_damped_momentum

__all__ = ["damped_sgd"]


def damped_sgd(
    learning_rate: optax.ScalarOrSchedule,
    momentum: jax.typing.ArrayLike | None = None,
    nesterov: bool | None = None,
    accumulator_dtype: jax.typing.DTypeLike | None = None,
    *,
    damping: jax.typing.ArrayLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    """SGD with one knob more, the damping of its momentum: INDIAN in damping form, see `indian_core.damping`.

    It has the signature of `optax.sgd`, with one argument more. Its state is interchangeable with that of `optax.sgd`,
    in both directions, so a run can change from one to the other. ``damping=1`` takes the steps of
    ``optax.sgd(learning_rate, momentum)``, and ``damping=1 + momentum`` those with ``nesterov=True``, under any
    schedule.

    Args:
        learning_rate: That of SGD, or a schedule.
        momentum: μ in [0, 1]. None: no momentum, plain gradient descent.
        nesterov: True is a damping of 1 + μ, and False one of 1, as in `optax.sgd`. None: ``damping`` decides.
        accumulator_dtype: As in `optax.sgd`.
        damping: r > 0. None: Nesterov's 1 + μ up to μ = 0.9, then 0.19/(1 − μ).

    Returns:
        The transformation, a chain of `scale_by_damped_momentum` and `optax.scale_by_learning_rate`.

    Raises:
        TypeError: As `scale_by_damped_momentum`.
        ValueError: As `scale_by_damped_momentum`; or ``damping`` is given beside ``nesterov`` or without momentum.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import damped_sgd
        >>> tx = damped_sgd(optax.cosine_decay_schedule(0.1, 1000), momentum=0.9, damping=3.0)
        >>> params = jnp.array([1.0, 2.0])
        >>> updates, state = tx.update(2 * params, tx.init(params), params)
        >>> optax.apply_updates(params, updates).shape
        (2,)
    """
    check_learning_rate(learning_rate)
    if damping is not None and momentum is None:
        raise ValueError(f"damping must be None where momentum is None, got {damping!r}")
    damping = damping_of_flag(nesterov, damping, momentum)
    direction = (
        optax.identity()
        if momentum is None
        else scale_by_damped_momentum(momentum, damping, accumulator_dtype=accumulator_dtype)
    )
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))
