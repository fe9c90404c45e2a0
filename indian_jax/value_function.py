"""The function to minimize, as Optax passes it to an update: its arguments, and its checks."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.extend.core import Literal

__all__ = ["CompositeLoss", "bind", "check_scalar", "check_value_fn"]


@dataclass(frozen=True)
class CompositeLoss:
    """A value function that is a loss of a model's output, as Gauss–Newton products need it.

    Called with parameters and the keyword arguments of both functions, it is ``loss_fn(model_fn(params, …), …)``, each
    with those arguments that it has. It goes where a ``value_fn`` goes, `jax.value_and_grad` included.

    Attributes:
        model_fn: From the parameters to the output, an array or a tree of arrays.
        loss_fn: From the output to a scalar. Where it is convex in the output, the Gauss–Newton matrix has no negative
            eigenvalue.

    Example:
        >>> import jax.numpy as jnp
        >>> from indian_jax.value_function import CompositeLoss
        >>> value_fn = CompositeLoss(lambda params, x: x @ params, lambda output, y: jnp.mean((output - y) ** 2))
        >>> float(value_fn(jnp.ones(2), x=jnp.eye(2), y=jnp.zeros(2)))
        1.0
    """

    model_fn: Callable[..., Any]
    loss_fn: Callable[..., jax.typing.ArrayLike]

    def __call__(self, params: optax.Params, **arguments: Any) -> jax.typing.ArrayLike:
        """The value.

        Raises:
            TypeError: Neither function has one of the arguments.
        """
        model_fn, loss_fn = bind((self.model_fn, self.loss_fn), arguments)
        return loss_fn(model_fn(params))


def bind(functions: Sequence[Callable[..., Any]], arguments: Mapping[str, Any]) -> list[Callable[[Any], Any]]:
    """The functions of their first argument alone, each with those of the others by name that it has.

    Raises:
        TypeError: No function has one of the arguments.
    """
    names = [_keyword_names(function, arguments) for function in functions]
    unused = sorted(arguments.keys() - set().union(*names))
    if unused:
        raise TypeError(f"value_fn must take the keyword arguments of update, got {', '.join(unused)}, which it lacks")
    return [
        partial(function, **{name: arguments[name] for name in own})
        for function, own in zip(functions, names, strict=True)
    ]


def _keyword_names(function: Callable[..., Any], arguments: Mapping[str, Any]) -> set[str]:
    parameters = list(inspect.signature(function).parameters.values())
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return set(arguments)
    return {parameter.name for parameter in parameters[1:]} & arguments.keys()


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
