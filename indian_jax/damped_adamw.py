"""AdamW with damped momentum, with the signature of `optax.adamw`."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from indian_core.damping import default_damping_in_norm
from indian_core.dynamics import is_absent
from indian_core.hyperparameters import DECAY, NON_NEGATIVE, check_choice
from indian_jax._arguments.damping import check_learning_rate, damping_of_flag, damping_or_default
from indian_jax._arguments.dtypes import floating_dtype
from indian_jax._arguments.scalars import scalar
from indian_jax._arguments.trees import check_structure, is_none
from indian_jax._step.coefficients import damping_coefficients, norm_coefficients
from indian_jax._step.leaf import step_leaves

__all__ = ["damped_adamw", "scale_by_damped_adam"]

_IS_NORM_LAST = {"adam": True, "innaprop": False}
"""By the name of the order, whether A⁻¹ acts on the average."""


def scale_by_damped_adam(
    b1: jax.typing.ArrayLike = 0.9,
    b2: jax.typing.ArrayLike = 0.999,
    eps: jax.typing.ArrayLike = 1e-8,
    eps_root: jax.typing.ArrayLike = 0.0,
    mu_dtype: jax.typing.DTypeLike | None = None,
    *,
    damping: jax.typing.ArrayLike | None = None,
    order: Literal["adam", "innaprop"] = "adam",
) -> optax.GradientTransformation:
    """The direction of Adam with damped momentum: `scale_by_damped_momentum` in the norm of RMSProp.

    It has the signature of `optax.scale_by_adam`, and its state; ``damping=1`` is that transformation.

    Args:
        b1: μ in [0, 1), the momentum.
        b2: σ in [0, 1), of the running mean of squared gradients.
        eps: ε >= 0, added to the root.
        eps_root: Added in the root, >= 0.
        mu_dtype: Floating dtype of the average of the gradients; None: the parameter's own.
        damping: r > 0. None: 1 + μ, Nesterov's.
        order: ``"adam"``: the gradients are averaged, and the average is divided by the root. ``"innaprop"``: each
            gradient is divided by the root, and the quotients are averaged.

    Returns:
        The transformation, with state `optax.ScaleByAdamState`. With ``order="innaprop"`` its ``mu`` averages the
        quotients, so a state of one order does not continue in the other.

    Raises:
        TypeError: An argument is not a number, ``order`` no string, or ``mu_dtype`` not a floating dtype; in
            ``update``, the state is another transformation's.
        ValueError: A number is out of its range, or ``order`` another string; in ``update``, the state does not fit the
            gradients in structure or shape.

    Example:
        >>> import jax.numpy as jnp
        >>> from indian_jax import scale_by_damped_adam
        >>> tx = scale_by_damped_adam(damping=1.9)
        >>> params = jnp.array([1.0, 2.0])
        >>> directions, state = tx.update(params, tx.init(params))
        >>> directions.round(4)
        Array([1., 1.], dtype=float32)
    """
    check_choice("order", order, tuple(_IS_NORM_LAST))
    b1, b2 = scalar("b1", b1, DECAY), scalar("b2", b2, DECAY)
    eps, eps_root = scalar("eps", eps, NON_NEGATIVE), scalar("eps_root", eps_root, NON_NEGATIVE)
    damping = damping_or_default(damping, b1, default_damping_in_norm)
    dtype = floating_dtype("mu_dtype", mu_dtype)

    def init_fn(params: optax.Params) -> optax.ScaleByAdamState:
        return optax.ScaleByAdamState(
            count=jnp.zeros((), jnp.int32),
            mu=jax.tree.map(lambda p: jnp.zeros_like(p, dtype=None if jnp.iscomplexobj(p) else dtype), params),
            nu=jax.tree.map(jnp.zeros_like, params),
        )

    def update_fn(
        updates: optax.Updates, state: optax.ScaleByAdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, optax.ScaleByAdamState]:
        del params
        if not isinstance(state, optax.ScaleByAdamState):
            raise TypeError(f"state must be ScaleByAdamState, as `init` returns it, got {type(state).__name__}")
        for name, tree in (("state.mu", state.mu), ("state.nu", state.nu)):
            check_structure(name, tree, "the gradients", updates)
        count = optax.safe_increment(state.count)
        directions, mu, nu = step_leaves(
            (updates, state.mu, state.nu, jax.tree.map(lambda _: None, updates, is_leaf=is_none)),
            damping_coefficients(b1, damping, count, gain=None),
            norm_coefficients("rmsprop", count, b2, eps),
            norm_last=_IS_NORM_LAST[order],
            epsilon_in_root=None if is_absent(eps_root) else eps_root,
        )
        return directions, optax.ScaleByAdamState(count=count, mu=mu, nu=nu)

    return optax.GradientTransformation(init_fn, update_fn)


def damped_adamw(
    learning_rate: optax.ScalarOrSchedule,
    b1: jax.typing.ArrayLike = 0.9,
    b2: jax.typing.ArrayLike = 0.999,
    eps: jax.typing.ArrayLike = 1e-8,
    eps_root: jax.typing.ArrayLike = 0.0,
    mu_dtype: jax.typing.DTypeLike | None = None,
    weight_decay: jax.typing.ArrayLike = 1e-4,
    mask: Any = None,
    *,
    nesterov: bool | None = None,
    damping: jax.typing.ArrayLike | None = None,
    order: Literal["adam", "innaprop"] = "adam",
) -> optax.GradientTransformationExtraArgs:
    """AdamW with one knob more, the damping of its momentum: INDIAN in damping form, see `indian_core.damping`.

    It has the signature of `optax.adamw`, with two arguments more. Its state is interchangeable with that of
    `optax.adamw`, in both directions, so a run can change from one to the other. ``damping=1`` takes the steps of AdamW
    under any schedule; ``damping=1 + b1`` differs from `optax.nadamw` only in the bias correction.

    Args:
        learning_rate: That of AdamW, or a schedule.
        b1: As in `scale_by_damped_adam`.
        b2: As in `scale_by_damped_adam`.
        eps: As in `scale_by_damped_adam`.
        eps_root: As in `scale_by_damped_adam`.
        mu_dtype: As in `scale_by_damped_adam`.
        weight_decay: As in `optax.adamw`: decoupled, multiplied by the learning rate.
        mask: As in `optax.adamw`.
        nesterov: True is a damping of 1 + b1, and False one of 1. None: ``damping`` decides.
        damping: r > 0. None: 1 + b1, Nesterov's.
        order: As in `scale_by_damped_adam`.

    Returns:
        The transformation, a chain of `scale_by_damped_adam`, `optax.add_decayed_weights` and
        `optax.scale_by_learning_rate`.

    Raises:
        TypeError: As `scale_by_damped_adam`.
        ValueError: As `scale_by_damped_adam`; or ``damping`` is given beside ``nesterov``.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import damped_adamw
        >>> params = jnp.array([1.0, 2.0])
        >>> adamw, damped = optax.adamw(1e-3), damped_adamw(1e-3, damping=1.9)
        >>> updates, state = adamw.update(params, adamw.init(params), params)
        >>> updates, state = damped.update(params, state, params)  # continues with the state of AdamW
        >>> updates.shape
        (2,)
    """
    check_learning_rate(learning_rate)
    if not callable(weight_decay):
        scalar("weight_decay", weight_decay, NON_NEGATIVE)
    damping = damping_of_flag(nesterov, damping, b1)
    return optax.chain(
        scale_by_damped_adam(b1, b2, eps, eps_root, mu_dtype, damping=damping, order=order),
        optax.add_decayed_weights(weight_decay, mask),
        optax.scale_by_learning_rate(learning_rate),
    )
