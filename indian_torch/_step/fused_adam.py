"""The step in the order of Adam by the kernel behind ``torch.optim.AdamW(fused=True)``.

How it is a step of Adam: see `indian_core.adam_kernel`. With another damping than 1, a pass over buffers and gradients
follows, chunk by chunk, as long as these are in the cache.
"""

import functools

import torch
from torch import Tensor

from indian_core.adam_kernel import AdamStep, adam_step
from indian_core.damping import post_damping_form, pre_damping_form
from indian_core.dynamics import StepCoefficients
from indian_torch._compat import fused_adamw, without_modes
from indian_torch._norm.norm_step import NormStep
from indian_torch._step import single_tensor
from indian_torch._step.family import Coefficients, Mode
from indian_torch._step.implementation import Batch
from indian_torch._step.state import has_dtype_of_its_own
from indian_torch._tensors.chunks import chunks_of_lists
from indian_torch._tensors.layout import Layout

__all__ = ["buffer_multiple", "can_take", "fits", "is_right", "supports", "update"]


def supports(mode: Mode, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether flags and dtypes allow it, and the kernel is right there."""
    if not mode.fused or not mode.is_norm_last or has_dtype_of_its_own(mode, dtype):
        return False
    return mode.norm == "rmsprop" and is_right(device, dtype)


def can_take(coefficients: Coefficients, *, first: bool) -> bool:
    """Whether the displacement is a multiple of an average of buffer and gradient."""
    # The number of the step makes no difference.
    return not first and _adam_step(coefficients.pre, coefficients.post, 1) is not None


def buffer_multiple(coefficients: Coefficients) -> None:
    """None: it keeps the buffer itself."""


def fits(layout: Layout) -> bool:
    """Whether the kernel, which looks at no strides, is right for these."""
    return all(layout)


def update(batch: Batch, coefficients: Coefficients, norm: NormStep | None, grad_scale: Tensor | None) -> float:
    """Take the step of a batch in place; see `indian_torch._step.implementation.Implementation`."""
    assert norm is not None
    assert batch.accumulators is not None
    step = _adam_step(coefficients.pre, coefficients.post, norm.count)
    assert step is not None
    params, grads, buffers, accumulators = batch.params, batch.grads, batch.buffers, batch.accumulators
    if grad_scale is not None:
        grad_scale = grad_scale.to(batch.params[0].device)
    if step.gradient_share == 0:
        _adamw(params, grads, buffers, accumulators, step, norm, grad_scale)
        return batch.multiple
    for theta, g, b, v in chunks_of_lists(params, grads, buffers, accumulators):
        _adamw(theta, g, b, v, step, norm, grad_scale)
        # After the kernel, which divides the gradients by their scale.
        if step.maximize:
            torch._foreach_add_(b, b, alpha=-step.gradient_share)
            torch._foreach_add_(b, g, alpha=-step.gradient_share)
        else:
            torch._foreach_lerp_(b, g, step.gradient_share)
    return batch.multiple


@functools.lru_cache(maxsize=64)
def _adam_step(pre: StepCoefficients, post: StepCoefficients, count: int) -> AdamStep | None:
    return adam_step(pre, post, count)


def _adamw(
    params: list[Tensor],
    grads: list[Tensor],
    averages: list[Tensor],
    accumulators: list[Tensor],
    step: AdamStep,
    norm: NormStep,
    grad_scale: Tensor | None,
) -> None:
    counts = [torch.tensor(float(norm.count), device=params[0].device)] * len(params)
    fused_adamw(
        params,
        grads,
        averages,
        accumulators,
        [],
        counts,
        lr=step.learning_rate,
        beta1=step.momentum,
        beta2=norm.decay,
        weight_decay=step.weight_decay,
        eps=norm.epsilon,
        amsgrad=False,
        maximize=step.maximize,
        grad_scale=grad_scale,
    )


@functools.cache
def is_right(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether there is a kernel that computes what it should."""
    # In 16 bits, what the kernels do between two roundings differs from release to release.
    if dtype not in (torch.float32, torch.float64):
        return False
    pre, post = (
        form(0.25, momentum=0.75, damping=1.0, weight_decay=0.125, count=3).ascent()
        for form in (pre_damping_form, post_damping_form)
    )
    norm = NormStep("rmsprop", 3, 0.75, 0.125, is_last=True)
    step = adam_step(pre, post, 3)
    assert step is not None
    # The answer is kept, so the step that asks first must not decide it by being a fake or a logged one.
    with without_modes():
        try:
            params, grads, buffers, accumulators = (_examples(end, device, dtype) for end in (1.0, 2.0, 3.0, 4.0))
            exact = [[tensor.clone() for tensor in each] for each in (params, buffers, accumulators)]
            single_tensor.step(exact[0], grads, exact[1], exact[2], pre, norm.coefficients, norm_last=True)
            _adamw(params, grads, buffers, accumulators, step, norm, None)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError):  # AssertionError: PyTorch was built without this device.
            return False
        return all(
            torch.allclose(one, other)
            for ones, others in zip((params, buffers, accumulators), exact, strict=True)
            for one, other in zip(ones, others, strict=True)
        )


def _examples(end: float, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Numbers in tensors of different shapes and numbers of dimensions."""
    shapes = ((67,), (), (5, 7), (2, 3, 4), (0, 3))
    return [
        torch.linspace(0.5, end, torch.Size(shape).numel(), dtype=dtype, device=device).view(shape) for shape in shapes
    ]
