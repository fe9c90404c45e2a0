"""Products with the curvature of a function, by automatic differentiation.

`jax.linearize` computes once what does not depend on the vector, so that a product costs the derivative of the gradient
along the vector and not the gradient besides; the compiler would do so for most functions by itself.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import jax
import optax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from indian_jax._trust_region.composite_loss import CompositeLoss, bind

__all__ = ["Product", "curvature_product"]

Product: TypeAlias = Callable[[optax.Params], optax.Params]
"""v ↦ Bv."""


def curvature_product(
    curvature: str, value_fn: Callable[..., Any], arguments: Mapping[str, Any], params: optax.Params
) -> Product | None:
    """Products with B at the parameters.

    Args:
        curvature: ``"hessian"``; ``"gauss_newton"``, for which ``value_fn`` is a `CompositeLoss`; or ``"none"``.
        value_fn: The function to minimize.
        arguments: Its keyword arguments.
        params: w.

    Returns:
        v ↦ Bv on trees like the parameters; None where B = 0.

    Raises:
        TypeError: ``value_fn`` is no `CompositeLoss`, or something in it has no second derivative.
    """
    make_product = _PRODUCTS[curvature]
    if make_product is None:
        return None
    needed = f"value_fn must have the derivatives that curvature={curvature!r} needs"
    try:
        product = make_product(value_fn, arguments, params)
        program = jax.make_jaxpr(product)(params).jaxpr
    # Which of these JAX raises depends on what it is that cannot be differentiated.
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(f"{needed}; JAX says: {error}") from error
    # JAX would say so later, and not which function it is.
    if any(equation.primitive.name == "custom_lin" for equation in _equations(program)):
        names = _custom_vjp_names(partial(value_fn, **arguments), params)
        raise TypeError(f"{needed}; with jax.custom_vjp, {names} can be differentiated in reverse alone")
    return product


def _hessian(value_fn: Callable[..., Any], arguments: Mapping[str, Any], params: optax.Params) -> Product:
    """v ↦ ∇²L v: forward over reverse."""
    _, product = jax.linearize(jax.grad(partial(value_fn, **arguments)), params)
    return product


def _gauss_newton(value_fn: Callable[..., Any], arguments: Mapping[str, Any], params: optax.Params) -> Product:
    """v ↦ Jᵀ∇²ℓJv, with the Jacobian J of the model and the Hessian ∇²ℓ of the loss at the model's output."""
    if not isinstance(value_fn, CompositeLoss):
        raise TypeError(f"value_fn must be a CompositeLoss for curvature='gauss_newton', got {value_fn!r}")
    model_fn, loss_fn = bind((value_fn.model_fn, value_fn.loss_fn), arguments)
    output, push = jax.linearize(model_fn, params)
    pull = jax.linear_transpose(push, params)
    hessian = _hessian(loss_fn, {}, output)

    def product(vector: optax.Params) -> optax.Params:
        (image,) = pull(hessian(push(vector)))
        return image

    return product


_PRODUCTS: Final[Mapping[str, Callable[[Callable[..., Any], Mapping[str, Any], optax.Params], Product] | None]] = {
    "hessian": _hessian,
    "gauss_newton": _gauss_newton,
    "none": None,
}
"""What makes the product for each curvature; None for B = 0."""


def _custom_vjp_names(function: Callable[..., Any], params: optax.Params) -> str:
    equations = _equations(jax.make_jaxpr(function)(params))
    calls = (e.params["call_jaxpr"].jaxpr for e in equations if e.primitive.name == "custom_vjp_call")
    return ", ".join(sorted({call.debug_info.func_name for call in calls})) or "a function"


def _equations(jaxpr: Jaxpr | ClosedJaxpr) -> Iterator[JaxprEqn]:
    """The equations of a program, and of the programs that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for parameter in equation.params.values():
            for called in parameter if isinstance(parameter, tuple) else (parameter,):
                if isinstance(called, Jaxpr | ClosedJaxpr):
                    yield from _equations(called)
