"""The loss, its gradient, and products with its curvature, by TensorFlow's automatic differentiation."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import tensorflow as tf

from indian_core.trust_region.returned_loss import returned_loss
from indian_tf._compat import logits_of

__all__ = ["LocalModel", "differentiate", "flat", "loss_of", "views"]


class LocalModel(NamedTuple):
    """What is known of the loss at the variables.

    Attributes:
        loss: The loss, without a dimension.
        gradient: g, as a vector.
        product: v ↦ Bv, on vectors; None where there is no curvature.
    """

    loss: Any
    gradient: Any
    product: Callable[[Any], Any] | None


def flat(tensors: Sequence[Any], variables: Sequence[Any]) -> Any:
    """The entries of all tensors, one after the other; for None zeros, as many as the variable has."""
    pairs = zip(tensors, variables, strict=True)
    return tf.concat([tf.reshape(tf.zeros_like(v) if t is None else t, [-1]) for t, v in pairs], axis=0)


def views(vector: Any, variables: Sequence[Any]) -> list[Any]:
    """The parts of a vector that belong to each variable, in its shape."""
    parts = tf.split(vector, [v.shape.num_elements() for v in variables])
    return [tf.reshape(part, v.shape) for part, v in zip(parts, variables, strict=True)]


def loss_of(returned: Any, curvature: str) -> Any:
    """The loss in what a loss function returned, without a dimension; see `returned_loss`."""
    return tf.reshape(returned_loss(returned, curvature, "loss_fn", _is_floating), [])


def _is_floating(something: Any) -> bool:
    return tf.is_tensor(something) and something.dtype.is_floating


def differentiate(loss_fn: Callable[[], Any], variables: Sequence[Any], curvature: str) -> LocalModel:
    """The local model at the variables.

    Args:
        loss_fn: Returns the loss; for ``"gauss_newton"`` the pair of the loss and the output that it is a function of.
        variables: TensorFlow's own.
        curvature: ``"hessian"``, ``"gauss_newton"`` or ``"none"``.

    Raises:
        TypeError, ValueError: As `returned_loss`; or the loss, or the output, does not depend on any variable.
        RuntimeError: Something on the way has no second derivative.
    """
    second = tf.GradientTape(persistent=True, watch_accessed_variables=False)
    first = tf.GradientTape(persistent=True, watch_accessed_variables=False)
    with second:
        second.watch(variables)
        with first:
            first.watch(variables)
            returned = loss_fn()
            loss = loss_of(returned, curvature)
        gradients = [None if g is None else tf.convert_to_tensor(g) for g in first.gradient(loss, variables)]
        if all(gradient is None for gradient in gradients):
            raise ValueError(
                "loss_fn must return a loss that depends on the variables, got one that is detached from them"
            )
        product = _PRODUCTS[curvature](loss, returned, gradients, variables, _Tapes(first, second))
    gradient = tf.stop_gradient(flat(gradients, variables))
    return LocalModel(tf.stop_gradient(loss), gradient, product)


class _Tapes(NamedTuple):
    """The tape of the loss, and that of the gradients, under which products are made."""

    first: tf.GradientTape
    second: tf.GradientTape


def _hessian(
    loss: Any, returned: Any, gradients: Sequence[Any], variables: Sequence[Any], tapes: _Tapes
) -> Callable[[Any], Any]:
    """v ↦ ∇²L v: the gradients, differentiated once more."""
    known = [k for k, gradient in enumerate(gradients) if gradient is not None]

    def product(vector: Any) -> Any:
        parts = views(vector, variables)
        return flat(
            _pull_back(tapes.second, [gradients[k] for k in known], variables, [parts[k] for k in known]), variables
        )

    return product


def _gauss_newton(
    loss: Any, returned: Any, gradients: Sequence[Any], variables: Sequence[Any], tapes: _Tapes
) -> Callable[[Any], Any]:
    """v ↦ Jᵀ∇²ℓJv, with J the Jacobian of the output and ∇²ℓ the Hessian of the loss as a function of the output.

    Jv is the derivative of Jᵀu, which is linear in u, with respect to u.
    """
    first, second = tapes
    outputs, slopes = _outputs_and_slopes(loss, returned[1], first)
    duals = [tf.zeros_like(each) for each in outputs]
    second.watch(duals)
    pulled = [
        None if part is None else tf.convert_to_tensor(part) for part in _pull_back(first, outputs, variables, duals)
    ]
    used = [k for k, part in enumerate(pulled) if part is not None]
    if not used:
        raise ValueError("loss_fn must return an output that depends on the variables")

    def product(vector: Any) -> Any:
        parts = views(vector, variables)
        pushed = _pull_back(second, [pulled[k] for k in used], duals, [parts[k] for k in used])
        bent = _pull_back(second, slopes, outputs, _zeros_for_none(pushed, outputs))
        # A loss that is linear in the output has no curvature.
        return flat(_pull_back(first, outputs, variables, _zeros_for_none(bent, outputs)), variables)

    return product


def _no_curvature(loss: Any, returned: Any, gradients: Sequence[Any], variables: Sequence[Any], tapes: _Tapes) -> None:
    """B = 0, of the first-order method."""


_PRODUCTS: Final[Mapping[str, Callable[..., Callable[[Any], Any] | None]]] = {
    "hessian": _hessian,
    "gauss_newton": _gauss_newton,
    "none": _no_curvature,
}


def _outputs_and_slopes(loss: Any, output: Any, first: tf.GradientTape) -> tuple[list[Any], list[Any]]:
    """The tensors in the output that the loss is a function of, and its gradients with respect to them."""
    given = tf.nest.flatten(output)
    if not all(_is_floating(each) for each in given):
        raise TypeError("loss_fn must return as output a tensor of a floating dtype that depends on the variables")
    slopes = first.gradient(loss, given)
    # For a cross-entropy Keras takes not what a softmax or sigmoid returns, but what it was given, which is kept there.
    seen = [logits_of(each) if slope is None else each for each, slope in zip(given, slopes, strict=True)]
    pairs = [pair for pair in zip(seen, first.gradient(loss, seen), strict=True) if pair[1] is not None]
    if not pairs:
        raise ValueError("loss_fn must return a loss that depends on the output that it returns")
    return [each for each, _ in pairs], [slope for _, slope in pairs]


def _zeros_for_none(tensors: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    return [tf.zeros_like(other) if each is None else each for each, other in zip(tensors, like, strict=True)]


def _pull_back(tape: tf.GradientTape, targets: Sequence[Any], sources: Sequence[Any], weights: Sequence[Any]) -> Any:
    """The gradient of the targets' sum with these weights."""
    try:
        return tape.gradient(targets, sources, output_gradients=weights)
    except LookupError as error:
        # A second derivative that TensorFlow does not know.
        named = re.search(r"(?:op type|no entry for): (\w+)", str(error))
        operation = named.group(1) if named else "an operation"
        raise RuntimeError(
            f"the loss cannot be differentiated twice: {operation} has no second derivative; "
            "replace it, or choose curvature='none'"
        ) from error
