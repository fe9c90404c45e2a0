"""The step by the kernel behind ``torch.optim.SGD(fused=True)``: one pass over memory.

INDIAN is SGD with Nesterov momentum on a multiple of its velocity: see `indian_core.scaled_velocity`. The damping form
is, too, and for a damping of 1 it is SGD with momentum that is not Nesterov's.
"""

import functools

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients
from indian_core.scaled_velocity import (
    HeavyBallStep,
    NesterovStep,
    heavy_ball_step,
    nesterov_multiple,
    nesterov_step,
)
from indian_torch._compat import fused_sgd, without_modes
from indian_torch._norm.dispatch import directions, of_lists
from indian_torch._norm.norm_step import NormStep
from indian_torch._step.family import Coefficients, Mode
from indian_torch._step.implementation import Batch
from indian_torch._step.state import has_dtype_of_its_own
from indian_torch._tensors.dtypes import is_full_precision
from indian_torch._tensors.layout import Layout

__all__ = ["buffer_multiple", "can_take", "fits", "is_right", "step", "supports", "update"]

_LARGEST_MULTIPLE = 2.0**16
"""The largest multiple, and the inverse of the smallest, so that nothing over- or underflows."""

_ROUNDING = 1e-12
"""A multiple that is as near to 1 is 1: that of Nesterov's momentum."""


def supports(mode: Mode, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether flags and dtypes allow it, and the kernel is right there.

    In 16 bits, θ must be rounded once in a step, which rules out a norm and weight decay; float16 is too narrow for
    multiples of a velocity.
    """
    if not mode.fused or mode.is_norm_last or has_dtype_of_its_own(mode, dtype):
        return False
    if dtype == torch.bfloat16:
        rounds_once = mode.norm is None and bool(mode.decay == 0)
    else:
        rounds_once = is_full_precision(dtype) and not dtype.is_complex
    return rounds_once and is_right(device, dtype)


def can_take(coefficients: Coefficients, *, first: bool) -> bool:
    """Whether the step is one of SGD, with Nesterov momentum on a multiple of usual size."""
    return not first and (_heavy_ball(coefficients) is not None or _usual_multiple(coefficients.post) is not None)


def buffer_multiple(coefficients: Coefficients) -> float | None:
    """The multiple of the buffer to start with, which later steps leave as it is; 1 if they cannot.

    None for the buffer itself: an average is kept as it is unless the kernel needs a multiple of it.
    """
    multiple = _usual_multiple(coefficients.post)
    if coefficients.is_average and (multiple is None or abs(multiple - 1) < _ROUNDING):
        return None
    return multiple or 1.0


def fits(layout: Layout) -> bool:
    """Whether the kernel, which looks at no strides, is right for these."""
    return all(layout)


def update(batch: Batch, coefficients: Coefficients, norm: NormStep | None, grad_scale: Tensor | None) -> float:
    """Take the step of a batch in place; see `indian_torch._step.implementation.Implementation`."""
    precondition = None
    if norm is not None and batch.accumulators is not None:
        if grad_scale is not None:
            torch._foreach_div_(batch.grads, grad_scale.item())
            grad_scale = None
        precondition = of_lists(norm, batch.grads, batch.accumulators, prefer_fused=True)
    heavy_ball, next_multiple = _heavy_ball(coefficients), batch.multiple
    for chunk in directions(batch.params, batch.grads, batch.buffers, batch.accumulators, precondition):
        if heavy_ball is not None:
            _sgd(*chunk, heavy_ball, grad_scale)
        else:
            next_multiple = step(*chunk, coefficients.post, batch.multiple, grad_scale)
    return batch.multiple if buffer_multiple(coefficients) is None else next_multiple


def step(
    params: list[Tensor],
    gradients: list[Tensor],
    buffers: list[Tensor],
    coefficients: StepCoefficients,
    multiple: float,
    grad_scale: Tensor | None,
) -> float:
    """Take one step in place.

    Args:
        params: θ, contiguous, of one dtype and on one device, as the others are.
        gradients: g; divided by ``grad_scale`` in place if that is given.
        buffers: ``multiple`` · m.
        coefficients: In post form; `indian_core.scaled_velocity.nesterov_multiple` of them is finite.
        multiple: Of the buffers.
        grad_scale: The factor that the gradients contain.

    Returns:
        The multiple of the new buffers.
    """
    factor, nesterov = _nesterov_step(coefficients, multiple)
    if factor != 1:
        torch._foreach_mul_(buffers, factor)
    _sgd(params, gradients, buffers, nesterov, grad_scale)
    return nesterov.multiple


def _heavy_ball(coefficients: Coefficients) -> HeavyBallStep | None:
    """The step as one of SGD without Nesterov momentum, on an average, which is no multiple."""
    return _heavy_ball_step(coefficients.post) if coefficients.is_average else None


@functools.lru_cache(maxsize=64)
def _heavy_ball_step(coefficients: StepCoefficients) -> HeavyBallStep | None:
    return heavy_ball_step(coefficients)


@functools.lru_cache(maxsize=64)
def _usual_multiple(coefficients: StepCoefficients) -> float | None:
    """c* of the step, if there is one of usual size."""
    multiple = nesterov_multiple(coefficients)
    return multiple if 1 / _LARGEST_MULTIPLE <= abs(multiple) <= _LARGEST_MULTIPLE else None


@functools.lru_cache(maxsize=64)
def _nesterov_step(coefficients: StepCoefficients, multiple: float) -> tuple[float, NesterovStep]:
    """What to multiply the buffers by before the step, mostly 1, and the step."""
    preferred = nesterov_multiple(coefficients)
    if 1e-6 < multiple / preferred < 1e6:
        return 1.0, nesterov_step(coefficients, multiple)
    # The sign is wrong, or the buffers would take many steps to come near.
    return preferred / multiple, nesterov_step(coefficients, preferred)


def _sgd(
    params: list[Tensor],
    grads: list[Tensor],
    buffers: list[Tensor],
    step: NesterovStep | HeavyBallStep,
    grad_scale: Tensor | None,
) -> None:
    if step.theta_factor != 1:
        # Not a product: a factor so near to 1 would be rounded in the same way at every step.
        torch._foreach_add_(params, params, alpha=step.theta_factor - 1)
    fused_sgd(
        params,
        grads,
        buffers,
        lr=step.learning_rate,
        momentum=step.momentum,
        dampening=step.dampening,
        weight_decay=step.weight_decay,
        nesterov=isinstance(step, NesterovStep),
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
    numbers = {"theta_factor": 1.0, "learning_rate": 0.25, "momentum": 0.5, "dampening": 0.5, "weight_decay": 0.0}
    nesterov, heavy_ball = NesterovStep(**numbers, multiple=1.0), HeavyBallStep(**numbers)
    return all(
        _computes(step, theta, device, dtype)
        for step, theta in ((nesterov, 1 - 0.25 * (2 + 0.5 * 3)), (heavy_ball, 1 - 0.25 * 3))
    )


def _computes(step: NesterovStep | HeavyBallStep, theta: float, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a step from θ = 1, g = 2 and b = 4 leads to this θ."""
    # The answer is kept, so the step that asks first must not decide it by being a fake or a logged one.
    with without_modes():
        try:
            params, grads, buffers = (
                [
                    torch.full(shape, value, dtype=dtype, device=device)
                    for shape in ((64,), (), (5, 7), (2, 3, 4), (0, 3))
                ]
                for value in (1.0, 2.0, 4.0)
            )
            _sgd(params, grads, buffers, step, None)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError):  # AssertionError: PyTorch was built without this device.
            return False
        return all(bool((b == 3).all() and (p == theta).all()) for p, b in zip(params, buffers, strict=True))
