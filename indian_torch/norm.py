"""Gradients in the norm of a step: v takes the gradient in, in place, and A⁻¹g is new."""

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from indian_core.norms import NormCoefficients, accumulate, preconditioned, scale
from indian_torch.one_by_one import at_least_float32

__all__ = ["precondition_one_by_one", "precondition_together"]


def precondition_together(grads: list[Tensor], accumulators: list[Tensor], c: NormCoefficients) -> list[Tensor]:
    """A⁻¹g of many tensors in a few calls: gathered in one tensor, of which those returned are views.

    Args:
        grads: g, real, of one dtype and on one device, as the others are.
        accumulators: v, updated in place.
        c: Of this step.
    """
    if c.accumulator != 1:
        torch._foreach_mul_(accumulators, c.accumulator)
    torch._foreach_addcmul_(accumulators, grads, grads, c.square)
    diagonal = _flatten_dense_tensors(accumulators).sqrt()
    if c.root != 1:
        diagonal.mul_(c.root)
    diagonal.add_(c.epsilon)
    gradient = torch.div(_flatten_dense_tensors(grads), diagonal, out=diagonal)
    return list(_unflatten_dense_tensors(gradient, grads))


def precondition_one_by_one(grads: list[Tensor], accumulators: list[Tensor], c: NormCoefficients) -> list[Tensor]:
    """A⁻¹g of one tensor after the other, in float32 or better.

    Args:
        grads: g, real.
        accumulators: v, of the dtypes of the gradients or others, updated in place and rounded once.
        c: Of this step.
    """
    found = []
    for grad, accumulator in zip(grads, accumulators, strict=True):
        dtype = torch.promote_types(at_least_float32(grad.dtype), accumulator.dtype)
        gradient = grad.to(dtype)
        next_accumulator = accumulate(accumulator.to(dtype), gradient, c)
        accumulator.copy_(next_accumulator)
        found.append(preconditioned(gradient, scale(next_accumulator, c, torch)))
    return found
