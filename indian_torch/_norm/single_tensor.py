"""A⁻¹g of one tensor after the other, in any dtypes."""

import torch
from torch import Tensor

from indian_core.norms import NormCoefficients, accumulate, preconditioned, scale
from indian_torch._tensors.dtypes import at_least_float32

__all__ = ["precondition"]


def precondition(grads: list[Tensor], accumulators: list[Tensor], c: NormCoefficients) -> list[Tensor]:
    """Update the accumulators and return A⁻¹g, in float32 or better.

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
