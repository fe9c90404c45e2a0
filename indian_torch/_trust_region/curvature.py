"""The loss, its gradient, and products with its curvature, by automatic differentiation."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import CheckpointFunction

from indian_core.trust_region.curvatures import CURVATURES
from indian_core.trust_region.returned_loss import returned_loss
from indian_torch._compat import autograd_function_of
from indian_torch._trust_region.flat_layout import FlatLayout

__all__ = ["LocalModel", "differentiate", "loss_of"]

Product: TypeAlias = Callable[[Tensor], Tensor]
"""v ↦ Bv, on vectors."""

_NOT_TWICE = (
    "the loss cannot be differentiated twice: {} has no second derivative; replace it, or choose curvature='none'"
)

_REENTRANT = (
    "TrustRegion differentiates the loss with torch.autograd.grad, and twice: gradient checkpointing in the closure "
    "must be called with use_reentrant=False"
)


class LocalModel(NamedTuple):
    """What is known of the loss at the parameters.

    Attributes:
        loss: The loss, without a dimension.
        loss_eps: The distance from 1 to the next number in the dtype that the loss is known in: its own, or that of a
            parameter if it is less precise.
        gradient: g, as a vector.
        product: v ↦ Bv, on vectors; None where there is no curvature.
    """

    loss: Tensor
    loss_eps: float
    gradient: Tensor
    product: Product | None


def loss_of(returned: Any, curvature: str) -> Tensor:
    """The loss in what a closure returned, without a dimension; see `returned_loss`."""
    return returned_loss(returned, curvature, "closure", _is_floating).reshape(())


def _is_floating(something: Any) -> bool:
    return isinstance(something, Tensor) and something.is_floating_point()


def differentiate(returned: Any, layout: FlatLayout, curvature: str) -> LocalModel:
    """The local model at the parameters, from what the closure returned.

    The graph of the loss lives as long as the model's ``product`` does.

    Args:
        returned: The loss; for ``"gauss_newton"`` the pair of the loss and the output that it is a function of, a
            tensor or a list of tensors.
        layout: Of the parameters.
        curvature: ``"hessian"``, ``"gauss_newton"`` or ``"none"``.

    Raises:
        TypeError, ValueError: As `returned_loss`; or the loss, or the output, does not depend on any parameter.
        RuntimeError: A gradient is sparse, or something on the way has no second derivative.
    """
    loss = loss_of(returned, curvature)
    _refuse_reentrant_checkpoints(loss)
    gradients = _gradients(loss, layout.params, create_graph=CURVATURES[curvature].differentiates_gradient)
    if any(gradient is not None and gradient.layout is not torch.strided for gradient in gradients):
        raise RuntimeError("TrustRegion does not support sparse gradients")
    # As one vector it takes one vector to be differentiated along, and the graph of the parts holds none of them twice.
    gradient = layout.vector(gradients)
    if CURVATURES[curvature].has_products:
        _refuse_once_differentiable(loss)
    product = _PRODUCTS[curvature](loss, returned, gradient, layout)
    loss_eps = max(torch.finfo(dtype).eps for dtype in {loss.dtype, *(param.dtype for param in layout.params)})
    return LocalModel(loss.detach(), loss_eps, gradient.detach(), product)


def _gradients(loss: Tensor, params: Sequence[Tensor], *, create_graph: bool) -> Sequence[Tensor | None]:
    # The graph is needed again for Gauss–Newton products.
    gradients: Sequence[Tensor | None] = [None]
    if loss.requires_grad:
        try:
            gradients = torch.autograd.grad(
                loss, params, create_graph=create_graph, retain_graph=True, allow_unused=True
            )
        except RuntimeError as error:
            if "second time" in str(error):
                raise RuntimeError("closure must return the loss without calling backward on it") from error
            raise
    if all(gradient is None for gradient in gradients):
        raise ValueError(
            "closure must return a loss that depends on the parameters, got one that is detached from them"
        )
    return gradients


def _hessian(loss: Tensor, returned: Any, gradient: Tensor, layout: FlatLayout) -> Product:
    """v ↦ ∇²L v: the gradient, differentiated once more."""
    return lambda vector: layout.vector(_vector_jacobian([gradient], layout.params, [vector]))


def _gauss_newton(loss: Tensor, returned: Any, gradient: Tensor, layout: FlatLayout) -> Product:
    """v ↦ Jᵀ∇²ℓJv, with J the Jacobian of the output and ∇²ℓ the Hessian of the loss as a function of the output.

    Jv is the derivative of Jᵀu, which is linear in u, with respect to u.
    """
    output = returned[1]
    outputs = list(output) if isinstance(output, (list, tuple)) else [output]
    if not (outputs and all(_is_floating(each) and each.requires_grad for each in outputs)):
        raise TypeError("closure must return as output a tensor of a floating dtype that depends on the parameters")
    slopes = torch.autograd.grad(loss, outputs, create_graph=True, allow_unused=True)
    if all(slope is None for slope in slopes):
        raise ValueError("closure must return a loss that depends on the output that it returns")
    duals = [torch.zeros_like(each, requires_grad=True) for each in outputs]
    pulled = layout.vector(_vector_jacobian(outputs, layout.params, duals, create_graph=True))

    def product(vector: Tensor) -> Tensor:
        pushed = _vector_jacobian([pulled], duals, [vector])
        # A loss that is linear in the output has no curvature.
        bent = _vector_jacobian(slopes, outputs, pushed)
        return layout.vector(_vector_jacobian(outputs, layout.params, bent))

    return product


def _no_curvature(loss: Tensor, returned: Any, gradient: Tensor, layout: FlatLayout) -> None:
    """B = 0, of the first-order method."""


_PRODUCTS: Final[Mapping[str, Callable[[Tensor, Any, Tensor, FlatLayout], Product | None]]] = {
    "hessian": _hessian,
    "gauss_newton": _gauss_newton,
    "none": _no_curvature,
}


def _vector_jacobian(
    outputs: Sequence[Tensor | None],
    inputs: Sequence[Tensor],
    vectors: Sequence[Tensor | None],
    *,
    create_graph: bool = False,
) -> Sequence[Tensor | None]:
    """Σ vᵀ ∂output/∂inputs over the outputs; None for zeros, as an output, as a vector and as a result."""
    pairs = [
        (output, vector)
        for output, vector in zip(outputs, vectors, strict=True)
        if output is not None and output.requires_grad and vector is not None
    ]
    if not pairs:
        return [None] * len(inputs)
    try:
        return torch.autograd.grad(
            [output for output, _ in pairs],
            inputs,
            [vector for _, vector in pairs],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    except RuntimeError as error:
        operation = _without_second_derivative(error)
        if operation is None:
            raise
        raise RuntimeError(_NOT_TWICE.format(operation)) from error


def _without_second_derivative(error: RuntimeError) -> str | None:
    """The operation that an error of the second differentiation is about; None if it is about something else."""
    message = str(error)
    if "aot_autograd" in message and "double backward" in message:
        return "a function compiled by torch.compile"
    named = re.search(r"derivative for '?([\w:]+?)(_backward)?'? is not implemented", message)
    return named.group(1) if named else None


def _refuse_once_differentiable(loss: Tensor) -> None:
    """Look for functions of which autograd would take the second derivative to be zero, and say nothing.

    Raises:
        RuntimeError: There is one.
    """
    for node in _nodes(loss.grad_fn):
        function = autograd_function_of(node)
        if function is not None and _is_once_differentiable(function.backward):
            raise RuntimeError(_NOT_TWICE.format(function.__name__))


def _refuse_reentrant_checkpoints(loss: Tensor) -> None:
    """Look for gradient checkpoints that give `torch.autograd.grad` an error, or no gradient of what is in them.

    Raises:
        RuntimeError: There is one.
    """
    if any(autograd_function_of(node) is CheckpointFunction for node in _nodes(loss.grad_fn)):
        raise RuntimeError(_REENTRANT)


def _is_once_differentiable(backward: Any) -> bool:
    """Whether `torch.autograd.function.once_differentiable` is among the decorators of a function."""
    while hasattr(backward, "__wrapped__"):
        if backward.__globals__["__name__"] == once_differentiable.__module__:
            return True
        backward = backward.__wrapped__
    return False


def _nodes(root: Any) -> Iterator[Any]:
    """The nodes of a graph, each once."""
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(following for following, _ in node.next_functions)
