"""A step by the kernel behind ``torch.optim.SGD(nesterov=True, fused=True)``: one pass over memory.

INDIAN is SGD with Nesterov momentum on a multiple of its velocity: see `indian_core.scaled_velocity`.
"""

import functools

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.sgd import sgd

from indian_core.dynamics import StepCoefficients
from indian_core.scaled_velocity import nesterov_scale, nesterov_step

__all__ = ["fits", "is_right", "update"]


def fits(param: Tensor, grad: Tensor, buffer: Tensor) -> bool:
    """Whether the kernel is right for these three; it looks at no strides, and takes whatever lies in memory."""
    if param.is_contiguous() and grad.is_contiguous() and buffer.is_contiguous():
        same_layout = True
    else:
        same_layout = param.stride() == grad.stride() == buffer.stride() and _is_dense(param)
    return (
        same_layout
        and type(param) in (Parameter, Tensor)
        and type(grad) is Tensor
        and param.dtype == grad.dtype == buffer.dtype
        and is_right(param.device, param.dtype)
    )


def update(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    coefficients: StepCoefficients,
    scale: float,
    grad_scale: Tensor | None,
) -> float:
    """Take one step in place.

    Args:
        params: θ.
        grads: g; divided by ``grad_scale`` in place, where it is given.
        buffers: ``scale`` · m.
        coefficients: In post form; `indian_core.scaled_velocity.nesterov_scale` of them is finite.
        scale: What the buffers are multiples by.
        grad_scale: What the gradients are multiplied by.

    Returns:
        What the new buffers are multiples by.
    """
    preferred = nesterov_scale(coefficients)
    if not 1e-6 < scale / preferred < 1e6:
        # The sign is wrong, or the buffers would take many steps to come near.
        torch._foreach_mul_(buffers, preferred / scale)
        scale = preferred
    step = nesterov_step(coefficients, scale)
    if step.theta_factor != 1:
        torch._foreach_mul_(params, step.theta_factor)
    sgd(
        params,
        grads,
        [*buffers],
        fused=True,
        grad_scale=grad_scale,
        lr=step.learning_rate,
        momentum=step.momentum,
        dampening=step.dampening,
        weight_decay=step.weight_decay,
        nesterov=True,
        maximize=False,
    )
    return step.scale


def _is_dense(tensor: Tensor) -> bool:
    """Whether the elements lie in memory without gaps or overlaps, in whatever order."""
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    return tensor.permute(order).is_contiguous()


@functools.cache
def is_right(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel computes what it should; PyTorch 2.13's does not on CPU, in 16 bits, from 16 elements on."""
    if dtype.itemsize < 2 or not dtype.is_floating_point:
        return False
    param, grad, buffer = (torch.full((64,), value, dtype=dtype, device=device) for value in (1.0, 2.0, 4.0))
    try:
        # All numbers are exact in every dtype.
        sgd(
            [param],
            [grad],
            [buffer],
            fused=True,
            lr=0.25,
            momentum=0.5,
            dampening=0.5,
            weight_decay=0.0,
            nesterov=True,
            maximize=False,
        )
    except (RuntimeError, NotImplementedError):
        return False
    return bool((buffer == 3).all() and (param == 1 - 0.25 * (2 + 0.5 * 3)).all())
