"""Damped momentum: what takes the place of `optax.trace` or `optax.ema` in any chain."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from indian_core.damping import default_damping
from indian_core.hyperparameters import DECAY, MOMENTUM, check_flag
from indian_jax._arguments.damping import damping_or_default
from indian_jax._arguments.dtypes import floating_dtype
from indian_jax._arguments.scalars import scalar
from indian_jax._arguments.trees import check_structure, is_none
from indian_jax._step.coefficients import damping_coefficients, norm_coefficients
from indian_jax._step.leaf import step_leaves

__all__ = ["scale_by_damped_momentum"]


def scale_by_damped_momentum(
    momentum: jax.typing.ArrayLike = 0.9,
    damping: jax.typing.ArrayLike | None = None,
    *,
    average: bool = False,
    debias: bool = False,
    accumulator_dtype: jax.typing.DTypeLike | None = None,
) -> optax.GradientTransformation:
    r"""Momentum with Newton damping, INDIAN's in damping form: see `indian_core.damping`.

    With the incoming updates :math:`g`, momentum :math:`\mu` and damping :math:`r`, the buffer and the outgoing updates
    are

    .. math::
        b \leftarrow \mu b + g, \qquad u = (1 - (1 - \mu) r)\, b_{\text{old}} + r g,

    which is `optax.trace` with :math:`r = 1`, and with ``nesterov=True`` for :math:`r = 1 + \mu`. A larger damping
    weights the newest gradient more. It contains no learning rate, so it keeps its meaning under any schedule, and
    takes the place of ``trace`` or ``ema`` wherever they stand: after `optax.scale_by_rms`, before
    `optax.scale_by_learning_rate`, or under a mask. The state is that of the transformation that it replaces, so a run
    can change from one to the other.

    Args:
        momentum: μ in [0, 1]; below 1 for an average.
        damping: r > 0. None: Nesterov's 1 + μ up to μ = 0.9, then 0.19/(1 − μ).
        average: Whether b is an average, :math:`b \leftarrow \mu b + (1 - \mu) g`, as `optax.ema` keeps it, and the
            updates are :math:`(1 - \mu)` times as large.
        debias: Whether to take the bias of the average out, which starts at 0, as in Adam.
        accumulator_dtype: Floating dtype of the buffer; None: the parameter's own. The arithmetic is done in float32 or
            better.

    Returns:
        The transformation, with state `optax.TraceState`, or `optax.EmaState` for an average.

    Raises:
        TypeError: An argument is not a number, a flag not a bool, or ``accumulator_dtype`` not a floating dtype; in
            ``update``, the state is another transformation's.
        ValueError: A number is out of its range, or ``debias`` is True without ``average``; in ``update``, the state
            does not fit the gradients in structure or shape.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import scale_by_damped_momentum
        >>> tx = optax.chain(scale_by_damped_momentum(0.9, damping=3.0), optax.scale_by_learning_rate(0.01))
        >>> params = jnp.array([1.0, 2.0])
        >>> updates, state = tx.update(params, tx.init(params))
        >>> updates
        Array([-0.03, -0.06], dtype=float32)
    """
    check_flag("average", average)
    check_flag("debias", debias)
    if debias and not average:
        raise ValueError("debias must be False where average is False, got True")
    momentum = scalar("momentum", momentum, DECAY if average else MOMENTUM)
    damping = damping_or_default(damping, momentum, default_damping)
    dtype = floating_dtype("accumulator_dtype", accumulator_dtype)
    kind = optax.EmaState if average else optax.TraceState

    def init_fn(params: optax.Params) -> Any:
        buffer = jax.tree.map(lambda p: jnp.zeros_like(p, dtype=None if jnp.iscomplexobj(p) else dtype), params)
        return optax.EmaState(jnp.zeros((), jnp.int32), buffer) if average else optax.TraceState(buffer)

    def update_fn(updates: optax.Updates, state: Any, params: optax.Params | None = None) -> tuple[optax.Updates, Any]:
        del params
        if not isinstance(state, kind):
            raise TypeError(f"state must be {kind.__name__}, as `init` returns it, got {type(state).__name__}")
        buffer = state.ema if average else state.trace
        check_structure("state", buffer, "the gradients", updates)
        count = optax.safe_increment(state.count) if average else None
        step_in = damping_coefficients(momentum, damping, count if debias else None, gain=None if average else 1.0)
        none = jax.tree.map(lambda _: None, updates, is_leaf=is_none)
        no_norm = norm_coefficients(None, jnp.ones(()), 0.0, 0.0)
        directions, buffer, _ = step_leaves((updates, buffer, none, none), step_in, no_norm)
        return directions, optax.EmaState(count, buffer) if average else optax.TraceState(buffer)

    return optax.GradientTransformation(init_fn, update_fn)
