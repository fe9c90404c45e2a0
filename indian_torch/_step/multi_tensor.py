"""The step of many tensors in a few calls, each a pass over all of them."""

from functools import lru_cache

import torch
from torch import Tensor

from indian_core.adam_kernel import AdamStep, adam_step
from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients
from indian_core.scaled_velocity import of_multiple
from indian_torch._norm import multi_tensor as norm_multi_tensor
from indian_torch._norm.dispatch import Precondition, directions, of_lists
from indian_torch._norm.norm_step import NormStep
from indian_torch._step.family import Coefficients, Mode
from indian_torch._step.implementation import Batch
from indian_torch._step.state import has_dtype_of_its_own
from indian_torch._tensors.chunks import chunks_of_lists
from indian_torch._tensors.dtypes import is_full_precision
from indian_torch._tensors.layout import Layout

__all__ = ["buffer_multiple", "can_take", "fits", "step", "step_with_norm_last", "supports", "update"]


def supports(mode: Mode, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether flags and dtypes allow it. In 16 bits θ would be rounded several times in a step."""
    if has_dtype_of_its_own(mode, dtype) or not is_full_precision(dtype):
        return False
    return bool(mode.fused) or mode.foreach is not False


def can_take(coefficients: Coefficients, *, first: bool) -> bool:
    """True: it follows the formula."""
    return True


def buffer_multiple(coefficients: Coefficients) -> None:
    """None: it keeps the buffer itself."""


def fits(layout: Layout) -> bool:
    """Whether they are of one dtype; a gradient may be of another. It uses operations that respect strides."""
    return layout.has_one_dtype


def update(batch: Batch, coefficients: Coefficients, norm: NormStep | None, grad_scale: Tensor | None) -> float:
    """Take the step of a batch in place; see `indian_torch._step.implementation.Implementation`."""
    if grad_scale is not None:
        torch._foreach_div_(batch.grads, grad_scale.item())
    c = coefficients.first if batch.is_first else coefficients.pre
    if coefficients.is_average and not batch.is_first and coefficients.post.theta_gradient == 0:
        # θ moves by the new buffer alone, which saves a pass.
        c = coefficients.post
    c = of_multiple(c, batch.multiple)
    precondition = None
    if norm is not None and batch.accumulators is not None:
        if norm.is_last:
            lists = batch.params, batch.grads, batch.buffers, batch.accumulators
            adam = _adam_step(coefficients.pre, coefficients.post, norm.count)
            step_with_norm_last(*lists, c, norm.coefficients, None if adam is None or adam.maximize else adam)
            return batch.multiple
        precondition = of_lists(norm, batch.grads, batch.accumulators, prefer_fused=False)
    step(batch.params, batch.grads, batch.buffers, batch.accumulators, c, precondition)
    return batch.multiple


def step(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    accumulators: list[Tensor] | None,
    c: StepCoefficients,
    precondition: Precondition | None,
) -> None:
    """Take one step in place; arguments as of `indian_torch.functional.step`, all tensors of one dtype and device."""
    if accumulators is None:
        # The second pass over a chunk finds it in the cache.
        chunks = chunks_of_lists(params, grads, buffers)
    else:
        chunks = directions(params, grads, buffers, accumulators, precondition)
    for some_params, gradients, some_buffers in chunks:
        _update(some_params, gradients, some_buffers, c)


def step_with_norm_last(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    accumulators: list[Tensor],
    c: StepCoefficients,
    norm: NormCoefficients,
    adam: AdamStep | None = None,
) -> None:
    """Take one step in place; arguments as of `indian_torch.functional.step`, all tensors of one dtype and device.

    With the same step as one of Adam that minimizes, ``adam``, it takes no temporary for the direction.
    """
    for some_params, some_grads, some_buffers, some_accumulators in chunks_of_lists(
        params, grads, buffers, accumulators
    ):
        divisors, multiple = norm_multi_tensor.divisors(some_grads, some_accumulators, norm)
        if c.theta_decay != 0:
            # Not a product: a factor so near to 1 would be rounded in the same way at every step.
            torch._foreach_add_(some_params, some_params, alpha=c.theta_decay)
        if adam is not None:
            torch._foreach_lerp_(some_buffers, some_grads, 1 - adam.momentum)
            torch._foreach_addcdiv_(some_params, some_buffers, divisors, adam.theta_average * multiple)
            if adam.gradient_share != 0:
                torch._foreach_lerp_(some_buffers, some_grads, adam.gradient_share)
            continue
        directions = torch._foreach_mul(some_grads, c.theta_gradient)
        torch._foreach_add_(directions, some_buffers, alpha=c.theta_velocity)
        _advance(some_buffers, some_grads, c)
        torch._foreach_add_(directions, some_buffers, alpha=c.theta_next_velocity)
        torch._foreach_addcdiv_(some_params, directions, divisors, multiple)


def _update(params: list[Tensor], gradients: list[Tensor], buffers: list[Tensor], c: StepCoefficients) -> None:
    if c.gradient_decay != 0:
        gradients = list(torch._foreach_add(gradients, params, alpha=c.gradient_decay))
    if c.theta_decay != 0:
        if c.velocity_decay != 0:
            torch._foreach_add_(buffers, params, alpha=c.velocity_decay)
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        torch._foreach_add_(params, params, alpha=c.theta_decay)
    if c.theta_next_velocity != 0:
        _advance(buffers, gradients, c)
        torch._foreach_add_(params, buffers, alpha=c.theta_next_velocity)
        if c.theta_gradient != 0:
            torch._foreach_add_(params, gradients, alpha=c.theta_gradient)
        return
    torch._foreach_add_(params, buffers, alpha=c.theta_velocity)
    torch._foreach_add_(params, gradients, alpha=c.theta_gradient)
    _advance(buffers, gradients, c)


def _advance(buffers: list[Tensor], gradients: list[Tensor], c: StepCoefficients) -> None:
    """Let the buffers become the next ones."""
    # Not a product by a number, which PyTorch wraps in a tensor once for each buffer on the CPU.
    torch._foreach_add_(buffers, buffers, alpha=c.velocity_velocity - 1)
    torch._foreach_add_(buffers, gradients, alpha=c.velocity_gradient)


@lru_cache(maxsize=64)
def _adam_step(pre: StepCoefficients, post: StepCoefficients, count: int) -> AdamStep | None:
    return adam_step(pre, post, count)
