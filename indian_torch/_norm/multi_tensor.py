"""A⁻¹g of many tensors in a few calls."""

import torch
from torch import Tensor

from indian_core.norms import BareRoot, NormCoefficients, bare_root
from indian_torch._compat import flatten, unflatten

__all__ = ["divisors", "precondition"]


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
    scale = flatten(accumulators).sqrt()
    if c.root != 1:
        scale.mul_(c.root)
    scale.add_(c.epsilon)
    gradient = torch.div(flatten(grads), scale, out=scale)
    return list(unflatten(gradient, grads))


def divisors(grads: list[Tensor], accumulators: list[Tensor], c: NormCoefficients) -> tuple[list[Tensor], float]:
    """Update the accumulators and return D, as views of one new tensor, and a number with A⁻¹u = number · u / D.

    Args:
        grads: g, real, of one dtype and on one device, as the accumulators are.
        accumulators: v, updated in place.
        c: Of this step, with a root.
    """
    if c.accumulator != 1:
        # On the CPU, PyTorch wraps a number in a tensor once for each accumulator.
        is_on_host = accumulators[0].device.type == "cpu"
        factor = torch.tensor(c.accumulator, dtype=torch.float64, device="cpu") if is_on_host else c.accumulator
        torch._foreach_mul_(accumulators, factor)
    torch._foreach_addcmul_(accumulators, grads, grads, c.square)
    root: BareRoot = bare_root(c)
    return list(unflatten(flatten(accumulators).sqrt().add_(root.epsilon), grads)), root.multiple
