"""The coefficients of a parameter group: its hyperparameters, numbers or tensors, given to the core."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients, post_form, pre_form
from indian_core.scaled_velocity import averaging_scale, nesterov_scale

__all__ = ["Plan", "as_number", "norm_numbers", "norm_scalars", "plan_of", "step_coefficients"]

_HYPERPARAMETERS = ("lr", "alpha", "beta", "initial_speed", "weight_decay")

_NORM_HYPERPARAMETERS = ("norm_decay", "norm_epsilon")

_FLOAT_OR_NONE = frozenset({float, type(None)})

_LARGEST_SCALE = 2.0**16
"""The velocity is kept as a multiple by at most this, and at least its inverse, so that nothing over- or underflows."""

_Form: TypeAlias = Callable[..., StepCoefficients]


class Plan(NamedTuple):
    """What the hyperparameters of a group, as numbers, amount to: the coefficients of later and first steps.

    ``scale`` is what to multiply the velocity by; ``has_kernel``, whether the kernel can take the later steps.
    """

    pre: StepCoefficients
    post: StepCoefficients
    first: StepCoefficients
    scale: float
    has_kernel: bool


def plan_of(group: dict[str, Any]) -> Plan:
    """The plan of a group whose hyperparameters are numbers, or tensors to be read."""
    values = [group[name] for name in _HYPERPARAMETERS]
    numbers = tuple(values) if _FLOAT_OR_NONE.issuperset(map(type, values)) else tuple(map(as_number, values))
    return _plan(numbers, group["maximize"], bool(group["fused"]))


def norm_numbers(group: dict[str, Any]) -> tuple[float, float]:
    """σ and ε of a group, as numbers."""
    decay, epsilon = (as_number(group[name]) for name in _NORM_HYPERPARAMETERS)
    return decay, epsilon


def norm_scalars(group: dict[str, Any], dtype: torch.dtype) -> tuple[Any, Any]:
    """σ and ε of a group, as numbers or, where it holds tensors, as tensors of this dtype."""
    decay, epsilon = (_as_scalar(group[name], dtype) for name in _NORM_HYPERPARAMETERS)
    return decay, epsilon


def step_coefficients(group: dict[str, Any], first: Tensor, dtype: torch.dtype) -> StepCoefficients:
    """The coefficients of a step, in pre form, where hyperparameters may be tensors and the host reads none.

    Args:
        group: The parameter group.
        first: Whether this is the first step, as 0 or 1.
        dtype: To compute in.
    """
    return _coefficients(
        pre_form, [_as_scalar(group[name], dtype) for name in _HYPERPARAMETERS], group["maximize"], first
    )


@lru_cache(maxsize=64)
def _plan(numbers: tuple[Any, ...], maximize: bool, fused: bool) -> Plan:
    """The coefficients, what to multiply the velocity by, and whether the kernel can take the steps."""
    pre, post = (_coefficients(form, numbers, maximize, False) for form in (pre_form, post_form))
    first = _coefficients(pre_form, numbers, maximize, True)
    has_kernel = fused and _is_usable(nesterov_scale(post))
    _, alpha, beta, *_ = numbers
    average = -averaging_scale(alpha, beta) if maximize else averaging_scale(alpha, beta)
    scale = nesterov_scale(post) if has_kernel else average
    return Plan(pre, post, first, scale if _is_usable(scale) else 1.0, has_kernel)


def _is_usable(scale: float) -> bool:
    return 1 / _LARGEST_SCALE <= abs(scale) <= _LARGEST_SCALE


def _coefficients(form: _Form, numbers: Iterable[Any], maximize: bool, first: Any) -> StepCoefficients:
    lr, alpha, beta, initial_speed, weight_decay = numbers
    coefficients = form(lr, alpha, beta, initial_speed=initial_speed, weight_decay=weight_decay, first=first)
    return coefficients.ascent() if maximize else coefficients


def as_number(value: Any) -> Any:
    """The Python number of a hyperparameter, which may be a number of any type, an array of one element, or None."""
    if value is None or isinstance(value, float):
        return value
    return float(value.item() if hasattr(value, "item") else value)


def _as_scalar(value: Any, dtype: torch.dtype) -> float | Tensor | None:
    return value.reshape(()).to(dtype) if isinstance(value, Tensor) else as_number(value)
