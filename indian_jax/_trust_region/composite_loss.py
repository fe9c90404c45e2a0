"""A loss that is a function of a model's output, and how the arguments by name reach its functions."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import optax

__all__ = ["CompositeLoss", "bind"]


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
        >>> from indian_jax import CompositeLoss
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
