"""The coefficients of a step: settings, numbers or tensors, given to the core."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients, post_form, pre_form
from indian_core.norms import NORMS
from indian_torch._norm.dispatch import NormStep
from indian_torch._step.settings import Settings, as_number

__all__ = ["Coefficients", "coefficients_of", "norm_scalars", "norm_step", "traced_coefficients"]

_FLOAT_OR_NONE = frozenset({float, type(None)})

_Form: TypeAlias = Callable[..., StepCoefficients]


class Coefficients(NamedTuple):
    """The coefficients of the steps of a group, in Python numbers.

    Attributes:
        first: Of the first step of a parameter, in pre form.
        pre: Of later steps, in pre form.
        post: Of later steps, in post form.
    """

    first: StepCoefficients
    pre: StepCoefficients
    post: StepCoefficients


def coefficients_of(settings: Settings) -> Coefficients:
    """The coefficients of settings that are numbers, or tensors for the host to read."""
    values = _hyperparameters(settings)
    numbers = values if _FLOAT_OR_NONE.issuperset(map(type, values)) else tuple(map(as_number, values))
    return _coefficients_of_numbers(numbers, settings.maximize)


def norm_step(settings: Settings, count: int) -> NormStep | None:
    """The norm at a step, in Python numbers; None without a norm."""
    if settings.norm is None:
        return None
    if not NORMS[settings.norm].depends_on_count:
        count = 1
    return NormStep(settings.norm, count, as_number(settings.norm_decay), as_number(settings.norm_epsilon))


def traced_coefficients(settings: Settings, first: Tensor, dtype: torch.dtype) -> StepCoefficients:
    """The coefficients of a step in pre form, where settings may be tensors that the host does not read.

    Args:
        settings: Of the group.
        first: Whether this is the first step, as 0 or 1.
        dtype: To compute in.
    """
    scalars = [_as_scalar(value, dtype) for value in _hyperparameters(settings)]
    return _coefficients(pre_form, scalars, settings.maximize, first)


def norm_scalars(settings: Settings, dtype: torch.dtype) -> tuple[Any, Any]:
    """σ and ε, as numbers or, if the settings hold tensors, as tensors of this dtype."""
    return _as_scalar(settings.norm_decay, dtype), _as_scalar(settings.norm_epsilon, dtype)


def _hyperparameters(settings: Settings) -> tuple[Any, ...]:
    return settings.lr, settings.alpha, settings.beta, settings.initial_speed, settings.weight_decay


@lru_cache(maxsize=64)
def _coefficients_of_numbers(numbers: tuple[Any, ...], maximize: bool) -> Coefficients:
    return Coefficients(
        first=_coefficients(pre_form, numbers, maximize, True),
        pre=_coefficients(pre_form, numbers, maximize, False),
        post=_coefficients(post_form, numbers, maximize, False),
    )


def _coefficients(form: _Form, numbers: Iterable[Any], maximize: bool, first: Any) -> StepCoefficients:
    lr, alpha, beta, initial_speed, weight_decay = numbers
    coefficients = form(lr, alpha, beta, initial_speed=initial_speed, weight_decay=weight_decay, first=first)
    return coefficients.ascent() if maximize else coefficients


def _as_scalar(value: Any, dtype: torch.dtype) -> float | Tensor | None:
    return value.reshape(()).to(dtype) if isinstance(value, Tensor) else as_number(value)
