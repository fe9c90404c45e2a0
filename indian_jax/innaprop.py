"""INNAprop: INDIAN in the norm of RMSProp, as an `optax.GradientTransformation`."""

import jax
import optax

from indian_core.hyperparameters import INNAPROP_DEFAULTS
from indian_jax._arguments.decay_mask import Mask
from indian_jax.transformation import indian

__all__ = ["INNAprop", "innaprop"]


def innaprop(
    learning_rate: optax.ScalarOrSchedule = INNAPROP_DEFAULTS.learning_rate,
    alpha: jax.typing.ArrayLike = INNAPROP_DEFAULTS.alpha,
    beta: jax.typing.ArrayLike = INNAPROP_DEFAULTS.beta,
    *,
    norm_decay: jax.typing.ArrayLike = INNAPROP_DEFAULTS.norm_decay,
    norm_epsilon: jax.typing.ArrayLike = INNAPROP_DEFAULTS.norm_epsilon,
    weight_decay: jax.typing.ArrayLike | None = INNAPROP_DEFAULTS.weight_decay,
    mask: Mask | None = None,
    velocity_dtype: jax.typing.DTypeLike | None = None,
    norm_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    """INNAprop: `indian` in the norm of RMSProp, with the defaults that its authors published.

    It starts from rest: ``initial_speed`` is None. Except for rounding, it equals a chain with Optax's own scaling. On
    CPUs, the chain also keeps the scaled gradient in memory::

        optax.chain(
            optax.scale_by_rms(norm_decay, norm_epsilon, eps_in_sqrt=False, bias_correction=True),
            indian(learning_rate, alpha, beta, initial_speed=None, weight_decay=weight_decay, mask=mask),
        )

    Source: Bolte, Boustany, Pauwels, Purica, "A second-order-like optimizer with adaptive gradient scaling for deep
    learning" (2024).

    Args:
        learning_rate: Step size γ >= 0, or a schedule. The published algorithm needs γ < β; here, γ may be larger.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        norm_decay: σ in [0, 1), of the running mean of squared gradients.
        norm_epsilon: ε >= 0.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; unless it is None or 0, ``update`` needs
            ``params``.
        mask: Which parameters decay, as in `indian`.
        velocity_dtype: As in `indian`.
        norm_dtype: As in `indian`.

    Returns:
        The transformation, with state `INDIANState`.

    Raises:
        TypeError, ValueError: As by `indian`.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import innaprop
        >>> tx = innaprop(learning_rate=1e-3)
        >>> params = jnp.array([1.0, 2.0])
        >>> updates, state = tx.update(2 * params, tx.init(params), params)
        >>> optax.tree_utils.tree_get(state, "accumulator").shape
        (2,)
    """
    return indian(
        learning_rate,
        alpha,
        beta,
        initial_speed=INNAPROP_DEFAULTS.initial_speed,
        weight_decay=weight_decay,
        mask=mask,
        norm=INNAPROP_DEFAULTS.norm,
        norm_decay=norm_decay,
        norm_epsilon=norm_epsilon,
        velocity_dtype=velocity_dtype,
        norm_dtype=norm_dtype,
    )


INNAprop = innaprop
