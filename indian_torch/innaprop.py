"""INNAprop, which is INDIAN in the norm of RMSProp."""

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from indian_core.hyperparameters import INNAPROP_DEFAULTS
from indian_torch._optimizer.names import refuses_other_names
from indian_torch.optimizer import INDIAN

__all__ = ["INNAprop"]


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
        weight_decay: Decay rate λ >= 0, decoupled from the gradient. If the ``Trainer`` of Hugging Face makes the
            optimizer, from ``optimizer_cls_and_kwargs``, it takes ``TrainingArguments.weight_decay``, which is 0 unless
            given, and ignores what is given for the class: set it there.
        maximize: As of `INDIAN`, and so are the other flags.
        foreach: Update all tensors of a group in a few calls.
        differentiable: Let gradients flow through the step.
        capturable: Keep everything on the parameters' device, for CUDA graphs.
        fused: Update with PyTorch's fused kernels where they are right.
        velocity_dtype: Floating dtype of the velocity. None: the parameter's own.
        norm_dtype: Floating dtype of the accumulator. None: the parameter's own.

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

    @refuses_other_names
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
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        capturable: bool = False,
        fused: bool | None = None,
        velocity_dtype: torch.dtype | None = None,
        norm_dtype: torch.dtype | None = None,
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
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            capturable=capturable,
            fused=fused,
            velocity_dtype=velocity_dtype,
            norm_dtype=norm_dtype,
        )
