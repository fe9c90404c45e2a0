"""Gradients in the norm of a step by the kernels behind ``torch.optim.Adam`` and ``Adagrad`` with ``fused=True``.

Arrays of zeros, so small that they stay in the cache, take the place of the parameters; from a step of learning rate −1
without momentum, which takes g into v on the way, they come back as A⁻¹g.
"""

import functools

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from indian_core.norms import norm_coefficients
from indian_torch.norm import precondition_together

__all__ = ["is_right", "precondition", "workspace"]


def workspace(grads: list[Tensor], size: int) -> Tensor:
    """Memory for `precondition` of as many elements of such gradients; it holds A⁻¹g until the next call.

    To allocate it for each piece would take as long as a pass over the piece.
    """
    return grads[0].new_empty((2, size))


def precondition(
    grads: list[Tensor],
    accumulators: list[Tensor],
    *,
    norm: str,
    number: int,
    decay: float,
    epsilon: float,
    memory: Tensor,
) -> list[Tensor]:
    """A⁻¹g of many tensors.

    Args:
        grads: g, contiguous, of one dtype and on one device, as the others are.
        accumulators: v, updated in place.
        norm: One of `indian_core.norms.NORMS`.
        number: That of this step, k >= 1.
        decay: σ.
        epsilon: ε.
        memory: From `workspace`.
    """
    sizes = [grad.numel() for grad in grads]
    # Of zeros, since the kernels multiply what was there by 0, and nan would stay.
    zeros = memory[:, : sum(sizes)].zero_()
    gradients, means = (list(row.split_with_sizes(sizes)) for row in zeros)
    steps = [torch.tensor(float(number), device=grads[0].device)] * len(grads)
    if norm == "adagrad":
        torch._fused_adagrad_(
            gradients, grads, accumulators, steps, lr=-1.0, lr_decay=0.0, weight_decay=0.0, eps=epsilon, maximize=False
        )
        return _shaped_like(gradients, grads)
    torch._fused_adam_(
        gradients,
        grads,
        means,
        accumulators,
        [],
        steps,
        lr=-1.0,
        beta1=0.0,
        beta2=decay,
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )
    return _shaped_like(gradients, grads)


def _shaped_like(tensors: list[Tensor], others: list[Tensor]) -> list[Tensor]:
    pairs = zip(tensors, others, strict=True)
    return [tensor if other.dim() == 1 else tensor.view(other.shape) for tensor, other in pairs]


@functools.cache
def is_right(norm: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernel computes what it should."""
    if dtype not in (torch.float32, torch.float64):
        return False
    # The answer is kept, so the step that asks first must not decide it by being a fake or a logged one.
    with _disable_current_modes():
        try:
            grad, accumulator = (torch.linspace(0.5, n, 67, dtype=dtype, device=device) for n in (2, 3))
            expected = accumulator.clone()
            coefficients = norm_coefficients(norm, 3, decay=0.75, epsilon=0.125)
            (exact,) = precondition_together([grad], [expected], coefficients)
            memory = workspace([grad], 67)
            (found,) = precondition(
                [grad], [accumulator], norm=norm, number=3, decay=0.75, epsilon=0.125, memory=memory
            )
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError):  # AssertionError: PyTorch was built without this device.
            return False
        return torch.allclose(found, exact) and torch.allclose(accumulator, expected)
