"""INDIAN, whose buffer is the velocity m, and INNAprop."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import torch
from torch import Tensor

from indian_core.dynamics import StepCoefficients, post_form, pre_form
from indian_core.hyperparameters import RANGES, check, check_choice, check_number, resolve_initial_speed
from indian_core.norms import NORMS, NormCoefficients, resolve_learning_rate
from indian_torch._norm.norm_step import NormStep
from indian_torch._step.family import Coefficients, CoefficientsAt, Entries, Mode
from indian_torch._step.settings import Scalar, as_number, as_scalar, check_dtypes, check_flags

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

ENTRIES: Final = Entries(buffer="velocity", accumulator="accumulator")

_SGD: Final = "indian_core.from_momentum_sgd converts the hyperparameters of SGD with momentum"

OF_OTHERS: Final[Mapping[str, str]] = {
    "betas": "has norm_decay and norm_epsilon; norm_decay is the second of betas, alpha and beta replace the first",
    "beta1": "has alpha and beta in its place",
    "beta2": "has norm_decay and norm_epsilon; norm_decay is beta2",
    "eps": "has norm_decay and norm_epsilon; norm_epsilon is eps",
    "amsgrad": "has nothing like it",
    "momentum": f"has alpha and beta in its place; {_SGD}",
    "dampening": f"has alpha and beta in its place; {_SGD}",
    "nesterov": f"has alpha and beta in its place; {_SGD}",
    "learning_rate": "has lr",
}

# A tuple: the compiler of PyTorch 2.4 fails if two traced modules read one table.
_NORM_NAMES: Final = tuple(NORMS)

_FLOAT_OR_NONE: Final = frozenset({float, type(None)})

_Form: TypeAlias = Callable[..., StepCoefficients]


class Settings(NamedTuple):
    """The hyperparameters and flags of a parameter group at one step; see the arguments of `indian_torch.INDIAN`."""

    lr: Scalar | None
    alpha: Scalar
    beta: Scalar
    initial_speed: Any
    weight_decay: Scalar
    norm: str | None
    norm_decay: Scalar
    norm_epsilon: Scalar
    maximize: bool
    foreach: bool | None
    differentiable: bool
    capturable: bool
    fused: bool | None
    velocity_dtype: torch.dtype | None
    norm_dtype: torch.dtype | None


NAMES: Final = Settings._fields
NAMES_IN_SAVED: Final = NAMES


def settings_of(group: Mapping[str, Any]) -> Settings:
    """See `indian_torch._step.family.Family`, also for the other functions."""
    return Settings(**{name: group[name] for name in Settings._fields})


def checked(settings: Settings) -> Settings:
    check_choice("norm", settings.norm, _NORM_NAMES, optional=True)
    values = settings._asdict()
    given = {name: value for name, value in values.items() if name in RANGES}
    if settings.lr is None:
        del given["lr"]
    numbers = check(**given)
    check_flags(values)
    check_dtypes(velocity_dtype=settings.velocity_dtype, norm_dtype=settings.norm_dtype)
    return settings._replace(**{name: n for name, n in numbers.items() if not isinstance(values[name], Tensor)})


def entries_of_group(settings: Settings) -> dict[str, Any]:
    resolved = {
        "lr": resolve_learning_rate(settings.lr, settings.norm),
        "initial_speed": resolve_initial_speed(settings.initial_speed, settings.norm),
    }
    return settings._asdict() | resolved


def mode_of(settings: Settings) -> Mode:
    norm = settings.norm
    return Mode(
        foreach=settings.foreach,
        fused=settings.fused,
        differentiable=settings.differentiable,
        # torch.compile sets it while it traces.
        capturable=settings.capturable,
        is_traced=settings.differentiable or settings.capturable,
        norm=norm,
        is_norm_last=False,
        depends_on_count=norm in _NORM_NAMES and NORMS[norm].depends_on_count,
        starts_apart=True,
        decay=settings.weight_decay,
        buffer_dtype=settings.velocity_dtype,
        accumulator_dtype=settings.norm_dtype,
    )


def refuse_unfit(settings: Settings, states: Sequence[Any]) -> None:
    if settings.norm is not None and any([state and "accumulator" not in state for state in states]):  # noqa: C419
        raise ValueError(f"norm must be None where earlier steps had no norm, got {settings.norm!r}")


def check_choices(settings: Settings) -> None:
    check_dtypes(velocity_dtype=settings.velocity_dtype, norm_dtype=settings.norm_dtype)
    if settings.norm is not None:
        check_choice("norm", settings.norm, _NORM_NAMES)


def coefficients_of(settings: Settings) -> CoefficientsAt:
    norm = norm_step(settings, 1)
    if norm is not None:
        check_number("norm_decay", norm.decay, RANGES["norm_decay"])
        check_number("norm_epsilon", norm.epsilon, RANGES["norm_epsilon"])
    values = _hyperparameters(settings)
    numbers = values if _FLOAT_OR_NONE.issuperset(map(type, values)) else tuple(map(as_number, values))
    coefficients = _coefficients_of_numbers(numbers, settings.maximize)
    return lambda count: coefficients


def norm_step(settings: Settings, count: int) -> NormStep | None:
    if settings.norm is None:
        return None
    if not NORMS[settings.norm].depends_on_count:
        count = 1
    return NormStep(settings.norm, count, as_number(settings.norm_decay), as_number(settings.norm_epsilon))


def traced_coefficients(
    settings: Settings, taken: Tensor | None, dtype: torch.dtype, *, is_new: bool
) -> StepCoefficients:
    assert taken is not None
    scalars = [as_scalar(value, dtype) for value in _hyperparameters(settings)]
    return _coefficients(pre_form, scalars, settings.maximize, (taken == 0).to(dtype))


def traced_norm(settings: Settings, count: Tensor, dtype: torch.dtype) -> NormCoefficients:
    assert settings.norm is not None
    decay, epsilon = as_scalar(settings.norm_decay, dtype), as_scalar(settings.norm_epsilon, dtype)
    return NORMS[settings.norm].coefficients(count, decay, epsilon, torch)


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
