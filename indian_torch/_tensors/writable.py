"""Whether a tensor may be changed in place. PyTorch refuses some, but not before the step has come to them."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor

__all__ = ["are_writable", "first_reason", "outside_inference_mode", "what_forbids_writing"]


def are_writable(*lists: Sequence[Tensor]) -> bool:
    """Whether `what_forbids_writing` has nothing to say of any tensor: a faster way than to ask for each."""
    tensors = list(chain(*lists))
    # Lists: up to PyTorch 2.8, torch.compile cannot trace a map.
    if not all([tensor.is_contiguous() for tensor in tensors]) and any([_shares_memory(t) for t in tensors]):  # noqa: C419
        return False
    return _may_change_inference_tensors() or not any([tensor.is_inference() for tensor in tensors])  # noqa: C419


def what_forbids_writing(tensor: Tensor) -> str | None:
    """Why a tensor cannot be changed in place, as a phrase for errors; None if it can."""
    if _shares_memory(tensor):
        return "whose elements share memory, as of Tensor.expand"
    if not _may_change_inference_tensors() and tensor.is_inference():
        return "created in inference mode, which cannot be changed outside it"
    return None


def first_reason(tensors: Iterable[Tensor]) -> str | None:
    """The first that `what_forbids_writing` has to say of these tensors; None if there is nothing."""
    return next(filter(None, map(what_forbids_writing, tensors)), None)


def outside_inference_mode() -> AbstractContextManager[Any]:
    """Where new tensors can be changed later, in inference mode and outside of it."""
    if torch.compiler.is_compiling():
        return nullcontext()
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()


def _may_change_inference_tensors() -> bool:
    """Whether inference mode is on; True while torch.compile traces, which cannot ask."""
    return torch.compiler.is_compiling() or torch.is_inference_mode_enabled()


def _shares_memory(tensor: Tensor) -> bool:
    """Whether two elements lie at one address for certain: an axis of more than one has the stride 0."""
    return tensor.numel() > 1 and any(
        stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True)
    )
