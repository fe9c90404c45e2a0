"""A⁻¹g of many tensors by the kernels behind ``torch.optim.Adam`` and ``Adagrad`` with ``fused=True``.

Tensors of zeros, so small that they stay in the cache, take the place of the parameters. A step of learning rate −1
without momentum updates v and leaves A⁻¹g in them.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import torch
from torch import Tensor

from indian_core.norms import norm_coefficients
from indian_torch._compat import fused_adagrad, fused_adam, unflatten, without_modes
from indian_torch._norm import multi_tensor

__all__ = ["KERNELS", "is_right", "precondition", "workspace"]

Kernel: TypeAlias = Callable[..., None]


def workspace(grads: list[Tensor], size: int) -> Tensor:
    """Memory for `precondition` of up to ``size`` elements of such gradients; it holds A⁻¹g until the next call.

    Allocating it for each chunk would take as long as a pass over the chunk.
    """
    return grads[0].new_empty((2, size))


def precondition(
    grads: list[Tensor],
    accumulators: list[Tensor],
    *,
    norm: str,
    count: int,
    decay: float,
    epsilon: float,
    memory: Tensor,
) -> list[Tensor]:
    """Update the accumulators and return A⁻¹g, as views of ``memory``.

    Args:
        grads: g, contiguous, of one dtype and on one device, as the accumulators are.
        accumulators: v, updated in place.
        norm: A key of `KERNELS`.
        count: The number of this step, k >= 1.
        decay: σ.
        epsilon: ε.
        memory: From `workspace`.
    """
    size = sum([grad.numel() for grad in grads])
    # Zeros, since the kernels multiply the old values by 0, and nan would stay.
    directions, spare = memory[:, :size].zero_()
    params = _parts(directions, grads)
    counts = [torch.tensor(float(count), device=grads[0].device)] * len(grads)
    KERNELS[norm](params, grads, accumulators, counts, spare, decay, epsilon)
    return params


def _parts(memory: Tensor, grads: list[Tensor]) -> list[Tensor]:
    """Views of a part of the memory for each gradient, of its shape.

    Kernels refuse lists whose shapes differ, even if only the number of elements matters.
    """
    if all([grad.dim() == 1 for grad in grads]):  # noqa: C419
        return list(memory.split_with_sizes([grad.numel() for grad in grads]))
    return list(unflatten(memory, grads))


def _adam(
    params: list[Tensor],
    grads: list[Tensor],
    accumulators: list[Tensor],
    counts: list[Tensor],
    spare: Tensor,
    decay: float,
    epsilon: float,
) -> None:
    fused_adam(
        params,
        grads,
        _parts(spare, grads),
        accumulators,
        [],
        counts,
        lr=-1.0,
        beta1=0.0,
        beta2=decay,
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )


def _adagrad(
    params: list[Tensor],
    grads: list[Tensor],
    accumulators: list[Tensor],
    counts: list[Tensor],
    spare: Tensor,
    decay: float,
    epsilon: float,
) -> None:
    fused_adagrad(
        params, grads, accumulators, counts, lr=-1.0, lr_decay=0.0, weight_decay=0.0, eps=epsilon, maximize=False
    )


KERNELS: Final[Mapping[str, Kernel]] = {"rmsprop": _adam, "adagrad": _adagrad}
"""The kernel of each norm; a norm without an entry is computed by `indian_torch._norm.multi_tensor`."""


@functools.cache
def is_right(norm: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether there is a kernel for this norm that computes what it should."""
    if norm not in KERNELS or dtype not in (torch.float32, torch.float64):
        return False
    # The answer is kept, so the step that asks first must not decide it by being a fake or a logged one.
    with without_modes():
        try:
            grads, accumulators = (_examples(end, device, dtype) for end in (2.0, 3.0))
            expected = [accumulator.clone() for accumulator in accumulators]
            exact = multi_tensor.precondition(grads, expected, norm_coefficients(norm, 3, decay=0.75, epsilon=0.125))
            memory = workspace(grads, sum(grad.numel() for grad in grads))
            found = precondition(grads, accumulators, norm=norm, count=3, decay=0.75, epsilon=0.125, memory=memory)
        except torch.OutOfMemoryError:
            raise
        except (AssertionError, RuntimeError):  # AssertionError: PyTorch was built without this device.
            return False
        return all(map(torch.allclose, (*found, *accumulators), (*exact, *expected)))


def _examples(end: float, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
    """Numbers in tensors of different shapes and numbers of dimensions."""
    shapes = ((67,), (), (5, 7), (2, 3, 4), (0, 3))
    return [
        torch.linspace(0.5, end, torch.Size(shape).numel(), dtype=dtype, device=device).view(shape) for shape in shapes
    ]
