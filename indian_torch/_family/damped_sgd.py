"""SGD with damped momentum, whose buffer is that of `torch.optim.SGD`."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from indian_core.damping import (
    allows_post_form,
    damping_of_nesterov,
    default_damping,
    post_damping_form,
    pre_damping_form,
)
from indian_core.dynamics import StepCoefficients
from indian_core.hyperparameters import DAMPING, MOMENTUM, NON_NEGATIVE, Range, check_number
from indian_core.norms import NormCoefficients
from indian_core.norms.euclidean import euclidean
from indian_torch._norm.norm_step import NormStep
from indian_torch._step.family import Coefficients, CoefficientsAt, Entries, Mode
from indian_torch._step.settings import Scalar, as_number, as_scalar, check_flags

__all__ = [
    "ENTRIES",
    "NAMES",
    "NAMES_IN_SAVED",
    "OF_OTHERS",
    "Settings",
    "check_choices",
    "checked",
    "coefficients_of",
    "entries_of_group",
    "mode_of",
    "norm_step",
    "refuse_unfit",
    "settings_of",
    "traced_coefficients",
    "traced_norm",
]

ENTRIES: Final = Entries(buffer="momentum_buffer", accumulator="accumulator", has_step=False)

OF_OTHERS: Final[Mapping[str, str]] = {
    "alpha": "has momentum and damping in its place; indian_core.damping.to_damping converts them",
    "beta": "has momentum and damping in its place; indian_core.damping.to_damping converts them",
    "betas": "has momentum, which is the first of betas; DampedAdamW has betas",
    "beta1": "has momentum in its place",
    "beta2": "has nothing like it; DampedAdamW has betas",
    "eps": "has nothing like it; DampedAdamW has eps",
    "amsgrad": "has nothing like it",
    "norm": "has nothing like it; DampedAdamW works in the norm of RMSProp",
    "order": "has nothing like it; DampedAdamW has order",
    "learning_rate": "has lr",
}

NAMES_IN_SAVED: Final = ("lr", "momentum", "dampening", "weight_decay", "nesterov")
"""What every saved group of `torch.optim.SGD` has."""

_RANGES: Final[Mapping[str, Range]] = {
    "lr": NON_NEGATIVE,
    "momentum": MOMENTUM,
    "dampening": Range(),
    "weight_decay": NON_NEGATIVE,
    "damping": Range(DAMPING.minimum, DAMPING.exclusive, others=(None,)),
}


class Settings(NamedTuple):
    """The hyperparameters and flags of a parameter group; see the arguments of `indian_torch.DampedSGD`."""

    lr: Scalar
    momentum: Scalar
    dampening: Scalar
    weight_decay: Scalar
    nesterov: bool
    maximize: bool
    foreach: bool | None
    differentiable: bool
    fused: bool | None
    damping: Scalar | None


NAMES: Final = Settings._fields


def settings_of(group: Mapping[str, Any]) -> Settings:
    """See `indian_torch._step.family.Family`, also for the other functions."""
    return Settings(**{name: group[name] for name in Settings._fields})


def checked(settings: Settings) -> Settings:
    """The settings, if they are valid."""
    values = settings._asdict()
    numbers: dict[str, Any] = {
        name: values[name] if allowed.is_other(values[name]) else check_number(name, values[name], allowed)
        for name, allowed in _RANGES.items()
    }
    check_flags(values)
    if settings.nesterov and (numbers["momentum"] == 0 or numbers["dampening"] != 0):
        raise ValueError("nesterov must be False where momentum is 0 or dampening is not 0, got True")
    check_choices(settings)
    return settings._replace(**{name: n for name, n in numbers.items() if not isinstance(values[name], Tensor)})


def entries_of_group(settings: Settings) -> dict[str, Any]:
    """What a group holds."""
    return settings._asdict()


def mode_of(settings: Settings) -> Mode:
    """The way in which a step is taken."""
    # It has no flag that torch.compile could set while it traces, as it does with capturable.
    is_compiling = torch.compiler.is_compiling()
    return Mode(
        foreach=settings.foreach,
        fused=settings.fused,
        differentiable=settings.differentiable,
        capturable=False,
        is_traced=settings.differentiable or is_compiling,
        norm=None,
        is_norm_last=False,
        depends_on_count=False,
        starts_apart=isinstance(settings.dampening, Tensor) or settings.dampening != 0,
        decay=0.0,
    )


def refuse_unfit(settings: Settings, states: Sequence[Any]) -> None:
    """Every state that has a buffer fits."""


def check_choices(settings: Settings) -> None:
    """Check that the damping is given once."""
    if settings.nesterov and settings.damping is not None:
        raise ValueError(
            f"damping must be None where nesterov is True, which is a damping of 1 + momentum, got {settings.damping!r}"
        )


def coefficients_of(settings: Settings) -> CoefficientsAt:
    """The coefficients of the steps, which are the same for each number."""
    numbers = tuple(map(as_number, _hyperparameters(settings)))
    coefficients = _coefficients_of_numbers(*numbers, nesterov=settings.nesterov, maximize=settings.maximize)
    return lambda count: coefficients


def norm_step(settings: Settings, count: int) -> NormStep | None:
    """None: there is no norm."""


def traced_coefficients(
    settings: Settings, taken: Tensor | None, dtype: torch.dtype, *, is_new: bool
) -> StepCoefficients:
    """The coefficients of a step in pre form."""
    scalars = [as_scalar(value, dtype) for value in _hyperparameters(settings)]
    lr, momentum, dampening, penalty, damping = scalars
    damping = _resolved(damping, momentum, nesterov=settings.nesterov)
    form = _form(pre_damping_form, lr, momentum, damping, penalty, 1.0 if is_new else 1 - dampening)
    return form.ascent() if settings.maximize else form


def traced_norm(settings: Settings, count: Tensor, dtype: torch.dtype) -> NormCoefficients:
    """The Euclidean norm."""
    return euclidean()


def _hyperparameters(settings: Settings) -> tuple[Any, ...]:
    return settings.lr, settings.momentum, settings.dampening, settings.weight_decay, settings.damping


def _resolved(damping: Any, momentum: Any, *, nesterov: bool) -> Any:
    """The damping r."""
    if damping is not None:
        return damping
    return damping_of_nesterov(momentum) if nesterov else default_damping(momentum)


@lru_cache(maxsize=64)
def _coefficients_of_numbers(
    lr: float,
    momentum: float,
    dampening: float,
    penalty: float,
    damping: float | None,
    *,
    nesterov: bool,
    maximize: bool,
) -> Coefficients:
    check_number("momentum", momentum, MOMENTUM)
    damping = check_number("damping", _resolved(damping, momentum, nesterov=nesterov), DAMPING)
    later = post_damping_form if allows_post_form(momentum, damping) else pre_damping_form
    # The first buffer is the gradient, whatever the dampening.
    forms = ((pre_damping_form, 1.0), (pre_damping_form, 1 - dampening), (later, 1 - dampening))
    found = [_form(form, lr, momentum, damping, penalty, gain) for form, gain in forms]
    first, pre, post = [each.ascent() for each in found] if maximize else found
    return Coefficients(first, pre, post, is_average=True)


def _form(
    form: Callable[..., StepCoefficients], lr: Any, momentum: Any, damping: Any, penalty: Any, gain: Any
) -> StepCoefficients:
    return form(lr, momentum, damping, penalty=penalty, gain=gain)
