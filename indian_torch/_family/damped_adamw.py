"""AdamW with damped momentum, whose state is that of `torch.optim.AdamW`."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from indian_core.damping import allows_post_form, default_damping_in_norm, post_damping_form, pre_damping_form
from indian_core.dynamics import StepCoefficients
from indian_core.hyperparameters import DAMPING, DECAY, NON_NEGATIVE, check_choice, check_number
from indian_core.norms import NORMS, NormCoefficients
from indian_torch._norm.norm_step import NormStep
from indian_torch._step.family import Coefficients, CoefficientsAt, Entries, Mode
from indian_torch._step.settings import Scalar, as_number, as_scalar, check_flags

__all__ = [
    "ENTRIES",
    "NAMES",
    "NAMES_IN_SAVED",
    "OF_OTHERS",
    "ORDERS",
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

ENTRIES: Final = Entries(buffer="exp_avg", accumulator="exp_avg_sq")

OF_OTHERS: Final[Mapping[str, str]] = {
    "alpha": "has betas and damping in its place; indian_core.damping.to_damping converts them",
    "beta": "has betas and damping in its place; indian_core.damping.to_damping converts them",
    "momentum": "has betas; the first of them is the momentum",
    "beta1": "has betas",
    "beta2": "has betas",
    "norm_decay": "has betas; the second of them is norm_decay",
    "norm_epsilon": "has eps",
    "norm": "has order; the norm is that of RMSProp",
    "dampening": "has nothing like it",
    "nesterov": "has damping; that of Nesterov's momentum is 1 + betas[0]",
    "learning_rate": "has lr",
}

NAMES_IN_SAVED: Final = ("lr", "betas", "eps", "weight_decay")
"""What every saved group of `torch.optim.Adam` has."""

# Up to PyTorch 2.8, torch.compile does not trace MappingProxyType.
ORDERS: Final[Mapping[str, bool]] = {"adam": True, "innaprop": False}
"""By the name of the order, whether A⁻¹ acts on the average."""


class Settings(NamedTuple):
    """The hyperparameters and flags of a parameter group; see the arguments of `indian_torch.DampedAdamW`."""

    lr: Scalar
    betas: tuple[Scalar, Scalar]
    eps: Scalar
    weight_decay: Scalar
    amsgrad: bool
    maximize: bool
    foreach: bool | None
    capturable: bool
    differentiable: bool
    fused: bool | None
    damping: Scalar | None
    order: str


# torch.optim.Adam and AdamW, which are one class, tell by the last name which of the two a group is for.
NAMES: Final = (*Settings._fields, "decoupled_weight_decay")


def settings_of(group: Mapping[str, Any]) -> Settings:
    """See `indian_torch._step.family.Family`, also for the other functions."""
    values = {name: group[name] for name in Settings._fields}
    if isinstance(values["betas"], list):
        values["betas"] = tuple(values["betas"])
    return Settings(**values)


def checked(settings: Settings) -> Settings:
    """The settings, if they are valid."""
    values = settings._asdict()
    numbers: dict[str, Any] = {"lr": check_number("lr", settings.lr, NON_NEGATIVE)}
    if not isinstance(settings.betas, tuple) or len(settings.betas) != 2:
        raise ValueError(f"betas must be a pair of numbers in [0, 1), got {settings.betas!r}")
    betas = [check_number(f"betas[{i}]", beta, DECAY) for i, beta in enumerate(settings.betas)]
    numbers["betas"] = tuple(b if isinstance(b, Tensor) else n for b, n in zip(settings.betas, betas, strict=True))
    for name in ("eps", "weight_decay"):
        numbers[name] = check_number(name, values[name], NON_NEGATIVE)
    if settings.damping is not None:
        numbers["damping"] = check_number("damping", settings.damping, DAMPING)
    check_flags(values)
    check_choices(settings)
    return settings._replace(**{name: n for name, n in numbers.items() if not isinstance(values[name], Tensor)})


def entries_of_group(settings: Settings) -> dict[str, Any]:
    """What a group holds."""
    return settings._asdict() | {"decoupled_weight_decay": True}


def mode_of(settings: Settings) -> Mode:
    """The way in which a step is taken."""
    return Mode(
        foreach=settings.foreach,
        fused=settings.fused,
        differentiable=settings.differentiable,
        # torch.compile sets it while it traces.
        capturable=settings.capturable,
        is_traced=settings.differentiable or settings.capturable,
        norm="rmsprop",
        is_norm_last=settings.order != "innaprop",
        depends_on_count=True,
        starts_apart=False,
        decay=settings.weight_decay,
    )


def refuse_unfit(settings: Settings, states: Sequence[Any]) -> None:
    """Every state that has the entries fits."""


def check_choices(settings: Settings) -> None:
    """Check the order, and that ``amsgrad`` is not wanted."""
    check_choice("order", settings.order, tuple(ORDERS))
    if settings.amsgrad:
        raise ValueError("amsgrad must be False, since the damping has no form with it, got True")


def coefficients_of(settings: Settings) -> CoefficientsAt:
    """The coefficients of the steps by number."""
    beta1, beta2 = settings.betas
    lr, momentum, weight_decay = as_number(settings.lr), as_number(beta1), as_number(settings.weight_decay)
    damping = as_number(settings.damping)
    _check_numbers(momentum, as_number(beta2), as_number(settings.eps), damping)
    if damping is None:
        damping = default_damping_in_norm(momentum)
    maximize = settings.maximize
    return lambda count: _coefficients_of_numbers(lr, momentum, damping, weight_decay, count, maximize)


def norm_step(settings: Settings, count: int) -> NormStep | None:
    """The norm of RMSProp at a step."""
    decay, epsilon = as_number(settings.betas[1]), as_number(settings.eps)
    return NormStep("rmsprop", count, decay, epsilon, is_last=ORDERS[settings.order])


def traced_coefficients(
    settings: Settings, taken: Tensor | None, dtype: torch.dtype, *, is_new: bool
) -> StepCoefficients:
    """The coefficients of a step in pre form."""
    assert taken is not None
    momentum, damping = as_scalar(settings.betas[0], dtype), as_scalar(settings.damping, dtype)
    found = pre_damping_form(
        as_scalar(settings.lr, dtype),
        momentum,
        default_damping_in_norm(momentum) if damping is None else damping,
        weight_decay=as_scalar(settings.weight_decay, dtype),
        count=taken.to(dtype) + 1,
        xp=torch,
    )
    return found.ascent() if settings.maximize else found


def traced_norm(settings: Settings, count: Tensor, dtype: torch.dtype) -> NormCoefficients:
    """The norm of RMSProp at a step."""
    decay, epsilon = as_scalar(settings.betas[1], dtype), as_scalar(settings.eps, dtype)
    return NORMS["rmsprop"].coefficients(count, decay, epsilon, torch)


@lru_cache(maxsize=64)
def _check_numbers(momentum: float, decay: float, epsilon: float, damping: float | None) -> None:
    check_number("betas[0]", momentum, DECAY)
    check_number("betas[1]", decay, DECAY)
    check_number("eps", epsilon, NON_NEGATIVE)
    if damping is not None:
        check_number("damping", damping, DAMPING)


@lru_cache(maxsize=64)
def _coefficients_of_numbers(
    lr: float, momentum: float, damping: float, weight_decay: float, count: int, maximize: bool
) -> Coefficients:
    pre = pre_damping_form(lr, momentum, damping, weight_decay=weight_decay, count=count)
    post = pre
    if allows_post_form(momentum, damping):
        post = post_damping_form(lr, momentum, damping, weight_decay=weight_decay, count=count)
    if maximize:
        pre, post = pre.ascent(), post.ascent()
    return Coefficients(first=pre, pre=pre, post=post, is_average=True)
