"""The checks of the function to minimize, as Optax passes it to an update."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.extend.core import Literal

__all__ = ["check_scalar", "check_value_fn"]


def check_value_fn(value_fn: Any, params: optax.Params) -> None:
    """Raise an error unless ``value_fn``, of the parameters alone, is a real scalar that depends on them.

    Raises:
        TypeError: Its value is no real floating number.
        ValueError: Its value is not a scalar, or its gradient is 0 whatever the parameters: it does not use them, or
            behind `jax.lax.stop_gradient` alone.
    """
    check_scalar("the value of value_fn", jax.eval_shape(value_fn, params))

    def gradient(params: optax.Params, cotangent: jax.Array) -> optax.Params:
        value, pull = jax.vjp(value_fn, params)
        return pull(cotangent.astype(jnp.result_type(value)))

    jaxpr = jax.make_jaxpr(gradient)(params, jnp.zeros(())).jaxpr
    reached = {jaxpr.invars[-1]}
    for equation in jaxpr.eqns:
        if any(not isinstance(variable, Literal) and variable in reached for variable in equation.invars):
            reached.update(equation.outvars)
    if jax.tree.leaves(params) and not any(
        not isinstance(variable, Literal) and variable in reached for variable in jaxpr.outvars
    ):
        raise ValueError("value_fn must depend on its first argument, the parameters, got one whose gradient is 0")


def check_scalar(name: str, value: Any) -> None:
    """Raise an error unless ``value``, that of ``name``, is a real floating scalar.

    Raises:
        TypeError: It is no number, or no real floating one.
        ValueError: It is an array with dimensions.
    """
    if not jax.tree_util.all_leaves([value]):
        raise TypeError(f"{name} must be a scalar and nothing else, got {value!r}")
    shape, dtype = jnp.shape(value), jnp.result_type(value)
    if shape != ():
        raise ValueError(f"{name} must be a scalar, got an array of shape {shape}")
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{name} must be a real floating scalar, got one of dtype {dtype}")
