"""INNAprop, which is INDIAN in the norm of RMSProp."""

from typing import TypedDict, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_core.hyperparameters import INNAPROP_DEFAULTS
from indian_torch.optimizer import INDIAN

__all__ = ["Flags", "INNAprop"]


class Flags(TypedDict, total=False):
    """The flags of `INDIAN`."""

    maximize: bool
    foreach: bool | None
    differentiable: bool
    capturable: bool
    fused: bool | None
    velocity_dtype: torch.dtype | None
    norm_dtype: torch.dtype | None


class INNAprop(INDIAN):
    """INNAprop: `INDIAN` in the norm of RMSProp, with the defaults that its authors published.

    It starts from rest, that is with ``initial_speed`` None. Source: Bolte, Boustany, Pauwels, Purica, "A
    second-order-like optimizer with adaptive gradient scaling for deep learning" (2024).

    Args:
        params: Parameters or parameter groups.
        lr: Step size γ >= 0. It may reach and pass β, where the published rule ends.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        norm_decay: σ in [0, 1), of the running mean of squared gradients.
        norm_epsilon: ε >= 0.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient.
        **flags: As of `INDIAN`: maximize, foreach, differentiable, capturable, fused, velocity_dtype, norm_dtype.

    Raises:
        TypeError, ValueError, RuntimeError: As by `INDIAN`.

    Example:
        >>> import torch
        >>> from indian_torch import INNAprop
        >>> model = torch.nn.Linear(4, 1)
        >>> optimizer = INNAprop(model.parameters(), lr=1e-3)
        >>> model(torch.ones(8, 4)).square().mean().backward()
        >>> optimizer.step()
        >>> sorted(optimizer.state_dict()["state"][0])
        ['accumulator', 'step', 'velocity']
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = INNAPROP_DEFAULTS.learning_rate,
        alpha: float | Tensor = INNAPROP_DEFAULTS.alpha,
        beta: float | Tensor = INNAPROP_DEFAULTS.beta,
        *,
        norm_decay: float | Tensor = INNAPROP_DEFAULTS.norm_decay,
        norm_epsilon: float | Tensor = INNAPROP_DEFAULTS.norm_epsilon,
        weight_decay: float | Tensor = INNAPROP_DEFAULTS.weight_decay,
        **flags: Unpack[Flags],
    ) -> None:
        super().__init__(
            params,
            lr,
            alpha,
            beta,
            initial_speed=INNAPROP_DEFAULTS.initial_speed,
            weight_decay=weight_decay,
            norm=INNAPROP_DEFAULTS.norm,
            norm_decay=norm_decay,
            norm_epsilon=norm_epsilon,
            **flags,
        )
