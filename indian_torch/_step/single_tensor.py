"""The step of one tensor after the other, in float32 or better: for any dtypes."""

from functools import partial

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients, velocity_step
from indian_core.norms import NormCoefficients
from indian_core.scaled_velocity import of_multiple
from indian_torch._norm import single_tensor
from indian_torch._norm.dispatch import NormStep, directions
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
    )
    return batch.multiple


def step(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    accumulators: list[Tensor] | None,
    c: StepCoefficients,
    norm: NormCoefficients | None,
) -> None:
    """Take one step in place; arguments as of `indian_torch.functional.step`."""
    precondition = None if norm is None else partial(single_tensor.precondition, c=norm)
    for chunk in directions(params, grads, buffers, accumulators, precondition):
        for param, gradient, velocity in zip(*chunk, strict=True):
            if param.dtype == velocity.dtype == at_least_float32(param.dtype):
                _update_in_place(c, param, gradient, velocity)
            else:
                for views in chunks(param, gradient, velocity):
                    _update_rounding_once(c, *views)


def _update_in_place(c: StepCoefficients, param: Tensor, gradient: Tensor, velocity: Tensor) -> None:
    if c.theta_decay != 0:
        velocity.add_(param, alpha=c.velocity_decay)
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        param.add_(param, alpha=c.theta_decay)
    param.add_(velocity, alpha=c.theta_velocity).add_(gradient, alpha=c.theta_gradient)
    velocity.mul_(c.velocity_velocity).add_(gradient, alpha=c.velocity_gradient)


def _update_rounding_once(c: StepCoefficients, param: Tensor, gradient: Tensor, velocity: Tensor) -> None:
    dtype = torch.promote_types(at_least_float32(param.dtype), velocity.dtype)
    displacement, next_velocity = velocity_step(param.to(dtype), velocity.to(dtype), gradient.to(dtype), c)
    param.add_(displacement)
    velocity.copy_(next_velocity)
