"""A⁻¹g of many tensors in a few calls."""

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from indian_core.norms import NormCoefficients

__all__ = ["precondition"]


def precondition(grads: list[Tensor], accumulators: list[Tensor], c: NormCoefficients) -> list[Tensor]:
    """Update the accumulators and return A⁻¹g, as views of one new tensor.

    Args:
        grads: g, real, of one dtype and on one device, as the accumulators are.
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
