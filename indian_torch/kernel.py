"""A step by the kernel behind ``torch.optim.SGD(nesterov=True, fused=True)``: one pass over memory.

INDIAN is SGD with Nesterov momentum on a multiple of its velocity: see `indian_core.scaled_velocity`.
"""

import functools

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import _disable_current_modes

from indian_core.dynamics import StepCoefficients
from indian_core.scaled_velocity import NesterovStep, nesterov_scale, nesterov_step

__all__ = ["fits", "in_memory_order", "is_right", "update"]


def in_memory_order(param: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """Views with the axes in the order in which they lie in memory, where that is the same for all; else the tensors.

    The kernel looks at no strides, and takes whatever lies in memory.
    """
    if param.is_contiguous() or any(other.stride() != param.stride() for other in others):
        return param, *others
    order = sorted(range(param.ndim), key=param.stride, reverse=True)
    return tuple(tensor.permute(order) for tensor in (param, *others))


def fits(param: Tensor, grad: Tensor, *others: Tensor) -> bool:
    """Whether the kernel is right for these."""
    return (
        all(tensor.is_contiguous() and tensor.dtype == param.dtype for tensor in (param, grad, *others))
        and type(param) in (Parameter, Tensor)
        and type(grad) is Tensor
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
        params: θ, of one dtype and on one device, as the others are.
        grads: g; divided by ``grad_scale`` in place, where it is given.
        buffers: ``scale`` · m.
        coefficients: In post form; `indian_core.scaled_velocity.nesterov_scale` of them is finite.
        scale: What the buffers are multiples by.
        grad_scale: What the gradients are multiplied by.

    Returns:
        What the new buffers are multiples by.
    """
    factor, step = _step(coefficients, scale)
    if factor != 1:
        torch._foreach_mul_(buffers, factor)
    if step.theta_factor != 1:
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        torch._foreach_add_(params, params, alpha=step.theta_factor - 1)
    _nesterov_sgd(params, grads, buffers, step, grad_scale)
    return step.scale


@functools.lru_cache(maxsize=64)
def _step(coefficients: StepCoefficients, scale: float) -> tuple[float, NesterovStep]:
    """What to multiply the buffers by before the step, mostly 1, and the step."""
    preferred = nesterov_scale(coefficients)
    if 1e-6 < scale / preferred < 1e6:
        return 1.0, nesterov_step(coefficients, scale)
    # The sign is wrong, or the buffers would take many steps to come near.
    return preferred / scale, nesterov_step(coefficients, preferred)


def _nesterov_sgd(
    params: list[Tensor], grads: list[Tensor], buffers: list[Tensor], step: NesterovStep, grad_scale: Tensor | None
) -> None:
    torch._fused_sgd_(
        params,
        grads,
        buffers,
        lr=step.learning_rate,
        momentum=step.momentum,
        dampening=step.dampening,
        weight_decay=step.weight_decay,
        nesterov=True,
        maximize=False,
        is_first_step=False,
        grad_scale=None if grad_scale is None else grad_scale.to(params[0].device),
    )


@functools.cache
def is_right(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel computes what it should; PyTorch 2.13's does not on CPU, in 16 bits, from 16 elements on."""
    if dtype.itemsize < 2 or not dtype.is_floating_point:
        return False
    # All numbers are exact in every dtype.
    step = NesterovStep(1.0, learning_rate=0.25, momentum=0.5, dampening=0.5, weight_decay=0.0, scale=1.0)
    # The answer is kept, so the step that asks first must not decide it by being a fake or a logged one.
    with _disable_current_modes():
        try:
            param, grad, buffer = (torch.full((64,), value, dtype=dtype, device=device) for value in (1.0, 2.0, 4.0))
            _nesterov_sgd([param], [grad], [buffer], step, None)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError):  # AssertionError: PyTorch was built without this device.
            return False
        return bool((buffer == 3).all() and (param == 1 - 0.25 * (2 + 0.5 * 3)).all())
