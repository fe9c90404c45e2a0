"""The phase variable, computed from parameters and state."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from indian_core.dynamics import phase_from_velocity
from indian_core.hyperparameters import RANGES, check_shape, check_started
from indian_jax._arguments.dtypes import inexact_dtype, working_dtype
from indian_jax._arguments.scalars import scalar
from indian_jax._arguments.trees import first_difference
from indian_jax.transformation import INDIANState

__all__ = ["phase"]


def phase(
    params: optax.Params, state: optax.OptState, *, alpha: jax.typing.ArrayLike, beta: jax.typing.ArrayLike
) -> optax.Params:
    """The phase variable ψ, a tree like the parameters, in their dtypes.

    Args:
        params: θ.
        state: State of `indian`, or of a chain or wrapper that holds one such state; at least one step old, since ψ₀
            depends on the first gradient. Where a wrapper has masked parameters out, so is their ψ
            (`optax.MaskedNode`).
        alpha: α of that transformation.
        beta: β of that transformation.

    Raises:
        TypeError: ``alpha`` or ``beta`` is not a number.
        ValueError: ``alpha`` or ``beta`` is out of its range; ``state`` holds no state of `indian`, several, or one
            that has not taken a step; ``params`` does not fit it.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from indian_jax import indian, phase
        >>> tx = indian(0.1, alpha=0.5, beta=0.1)
        >>> params = jnp.array([1.0])
        >>> updates, state = tx.update(params, tx.init(params), params)
        >>> phase(optax.apply_updates(params, updates), state, alpha=0.5, beta=0.1).shape
        (1,)
    """
    alpha = scalar("alpha", alpha, RANGES["alpha"])
    beta = scalar("beta", beta, RANGES["beta"])
    found = [value for _, value in optax.tree_utils.tree_get_all_with_path(state, INDIANState.__name__)]
    if len(found) != 1:
        raise ValueError(f"state must hold one state of indian, got {len(found)} in {jax.tree.structure(state)}")
    velocity = found[0].velocity
    if not isinstance(found[0].count, jax.core.Tracer):
        check_started("state", int(np.min(found[0].count)))

    def leaf_phase(path: Any, m: Any, theta: Any) -> Any:
        if _is_masked(m):
            return m
        check_shape(f"params{jax.tree_util.keystr(path)}", jnp.shape(theta), jnp.shape(m))
        dtype = working_dtype(theta, m, alpha, beta)
        # A Python number takes the dtype of the array that it multiplies; a traced one has to be cast.
        numbers = [x.astype(dtype) if isinstance(x, jax.Array) else x for x in (alpha, beta)]
        leaf = phase_from_velocity(jnp.asarray(theta, dtype), jnp.asarray(m, dtype), *numbers)
        return leaf.astype(inexact_dtype(theta))

    try:
        jax.tree.map(lambda *_: None, velocity, params, is_leaf=_is_masked)
    except ValueError as error:
        unmasked = jax.tree.map(lambda m: None if _is_masked(m) else m, velocity, is_leaf=_is_masked)
        raise ValueError(
            f"params must have the structure of those that state was made for, {jax.tree.structure(velocity)}, "
            f"got {jax.tree.structure(params)}; {first_difference(params, unmasked)}"
        ) from error
    return jax.tree_util.tree_map_with_path(leaf_phase, velocity, params, is_leaf=_is_masked)


def _is_masked(node: Any) -> bool:
    return isinstance(node, optax.MaskedNode)
