"""The loss scale by which the gradients are still multiplied, which `torch.amp.GradScaler` leaves to the step."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from indian_torch._step.gather import Gathered
from indian_torch._tensors.writable import first_reason

__all__ = ["check_grad_scale"]


def check_grad_scale(grad_scale: Any, gathered: Iterable[Gathered]) -> None:
    """Raise an error if the step could not divide the gradients by it in place.

    Raises:
        ValueError: It is no tensor of one element whose value can be read.
        RuntimeError: A gradient cannot be changed in place.
    """
    if not isinstance(grad_scale, Tensor):
        raise ValueError(f"grad_scale must be a tensor of one element, got a {type(grad_scale).__name__}")
    if grad_scale.numel() != 1 or grad_scale.is_meta:
        raise ValueError(
            f"grad_scale must be a tensor of one element with a value, got one of shape {tuple(grad_scale.shape)} "
            f"on {grad_scale.device}"
        )
    reason = first_reason(grad for tensors in gathered for grad in tensors.grads)
    if reason is not None:
        raise RuntimeError(f"gradients must be tensors that can be changed where grad_scale is set, got one {reason}")
