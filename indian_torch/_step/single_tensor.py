"""The step of one tensor after the other, in float32 or better: for any dtypes."""

from functools import partial

import torch
from torch import Tensor

from indian_core.damping import direction_step
from indian_core.dynamics import StepCoefficients, velocity_step
from indian_core.norms import NormCoefficients, accumulate, scale
from indian_core.scaled_velocity import of_multiple
from indian_torch._norm import single_tensor
from indian_torch._norm.dispatch import directions
from indian_torch._norm.norm_step import NormStep
from indian_torch._step.family import Coefficients, Mode
from indian_torch._step.implementation import Batch
from indian_torch._tensors.chunks import chunks
from indian_torch._tensors.dtypes import at_least_float32
from indian_torch._tensors.layout import Layout

__all__ = ["buffer_multiple", "can_take", "fits", "step", "supports", "update"]


def supports(mode: Mode, device: torch.device, dtype: torch.dtype) -> bool:
    """True: this is the implementation for whatever no other one supports."""
    return True


def can_take(coefficients: Coefficients, *, first: bool) -> bool:
    """True: it follows the formula."""
    return True


def buffer_multiple(coefficients: Coefficients) -> None:
    """None: it keeps the buffer itself."""


def fits(layout: Layout) -> bool:
    """True: it uses operations that respect strides."""
    return True


def update(batch: Batch, coefficients: Coefficients, norm: NormStep | None, grad_scale: Tensor | None) -> float:
    """Take the step of a batch in place; see `indian_torch._step.implementation.Implementation`."""
    if grad_scale is not None:
        torch._foreach_div_(batch.grads, grad_scale.item())
    step(
        batch.params,
        batch.grads,
        batch.buffers,
        batch.accumulators,
        of_multiple(coefficients.first if batch.is_first else coefficients.pre, batch.multiple),
        None if norm is None else norm.coefficients,
        norm_last=norm is not None and norm.is_last,
    )
    return batch.multiple


def step(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    accumulators: list[Tensor] | None,
    c: StepCoefficients,
    norm: NormCoefficients | None,
    *,
    norm_last: bool = False,
) -> None:
    """Take one step in place; arguments as of `indian_torch.functional.step`."""
    if norm_last and norm is not None and accumulators is not None:
        for tensors in zip(params, grads, buffers, accumulators, strict=True):
            for views in chunks(*tensors):
                _update_with_norm_last(c, norm, *views)
        return
    precondition = None if norm is None else partial(single_tensor.precondition, c=norm)
    for chunk in directions(params, grads, buffers, accumulators, precondition):
        for param, gradient, buffer in zip(*chunk, strict=True):
            if param.dtype != buffer.dtype or param.dtype != at_least_float32(param.dtype):
                for views in chunks(param, gradient, buffer):
                    _update_rounding_once(c, *views)
            elif c.gradient_decay != 0:
                for some_param, some_gradient, some_buffer in chunks(param, gradient, buffer):
                    decayed = some_gradient.add(some_param, alpha=c.gradient_decay)
                    _update_in_place(c, some_param, decayed, some_buffer)
            else:
                _update_in_place(c, param, gradient, buffer)


def _update_in_place(c: StepCoefficients, param: Tensor, gradient: Tensor, buffer: Tensor) -> None:
    if c.theta_decay != 0:
        buffer.add_(param, alpha=c.velocity_decay)
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        param.add_(param, alpha=c.theta_decay)
    param.add_(buffer, alpha=c.theta_velocity).add_(gradient, alpha=c.theta_gradient)
    buffer.mul_(c.velocity_velocity).add_(gradient, alpha=c.velocity_gradient)


def _update_rounding_once(c: StepCoefficients, param: Tensor, gradient: Tensor, buffer: Tensor) -> None:
    dtype = torch.promote_types(at_least_float32(param.dtype), buffer.dtype)
    displacement, next_buffer = velocity_step(param.to(dtype), buffer.to(dtype), gradient.to(dtype), c)
    param.add_(displacement)
    buffer.copy_(next_buffer)


def _update_with_norm_last(
    c: StepCoefficients, norm: NormCoefficients, param: Tensor, grad: Tensor, buffer: Tensor, accumulator: Tensor
) -> None:
    dtype = at_least_float32(param.dtype)
    for other in (grad, buffer, accumulator):
        dtype = torch.promote_types(dtype, other.dtype)
    gradient = grad.to(dtype)
    next_accumulator = accumulate(accumulator.to(dtype), gradient, norm)
    divisor = scale(next_accumulator, norm, torch)
    displacement, next_buffer = direction_step(param.to(dtype), buffer.to(dtype), gradient, divisor, c)
    param.add_(displacement)
    buffer.copy_(next_buffer)
    accumulator.copy_(next_accumulator)
