"""AdamW's hyperparameters as a start for INDIAN in the norm of RMSProp.

For an optimizer that takes AdamW's own steps, see `indian_core.damping`. This is for INDIAN and INNAprop themselves,
whose α and β stay as they are while a schedule changes γ.
"""

import math
from typing import NamedTuple

from indian_core.hyperparameters import DAMPING, DECAY, NON_NEGATIVE, POSITIVE, check_number

__all__ = ["AdaptiveINDIANSettings", "from_adamw"]


class AdaptiveINDIANSettings(NamedTuple):
    """Hyperparameters of INDIAN in the norm of RMSProp.

    Attributes:
        learning_rate: γ.
        alpha: α.
        beta: β.
        initial_speed: s.
        norm: ``"rmsprop"``.
        norm_decay: σ.
        norm_epsilon: ε.
        weight_decay: λ of INDIAN.
    """

    learning_rate: float
    alpha: float
    beta: float
    initial_speed: float
    norm: str
    norm_decay: float
    norm_epsilon: float
    weight_decay: float


def from_adamw(
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    *,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    damping: float = 1.0,
) -> AdaptiveINDIANSettings:
    """Hyperparameters with which INDIAN, in the norm of RMSProp, moves as AdamW does in the long run.

    A scaled gradient that stays the same moves the parameters by as much, with the same memory β₁, and in the end they
    decay at the same rate. Four things differ. The scaled gradients are averaged, where Adam scales the average of the
    gradients. The start is slower, from rest, where Adam takes the bias out. The decay acts as a penalty of the loss
    does, through the velocity, too. And a schedule that lowers γ moves the momentum 1 − αγ towards 1. The damping form,
    `indian_core.damping`, has none of these differences.

    Args:
        learning_rate: AdamW's η > 0.
        beta1: β₁ in [0, 1).
        beta2: β₂ in [0, 1).
        eps: ε >= 0.
        weight_decay: AdamW's λ >= 0.
        damping: r = β/γ > 0. With 1 the momentum is that of Adam, a heavy ball; with 1 + β₁ Nesterov's.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> settings = from_adamw(0.25, 0.75, weight_decay=0.5, damping=2.0)
        >>> settings.learning_rate, settings.alpha, settings.beta, settings.weight_decay
        (0.25, 1.0, 0.5, 0.25)
    """
    check_number("learning_rate", learning_rate, POSITIVE)
    check_number("beta1", beta1, DECAY)
    check_number("beta2", beta2, DECAY)
    check_number("eps", eps, NON_NEGATIVE)
    check_number("weight_decay", weight_decay, NON_NEGATIVE)
    check_number("damping", damping, DAMPING)
    step_size = math.sqrt(learning_rate * (1 - beta1))
    beta = damping * step_size
    return AdaptiveINDIANSettings(
        learning_rate=step_size,
        alpha=(1 - beta1) / step_size,
        beta=beta,
        initial_speed=beta,
        norm="rmsprop",
        norm_decay=beta2,
        norm_epsilon=eps,
        # A decay λ is the penalty λ/(2β)‖θ‖², whose weight against the gradient is that of AdamW's for λ = βλ_AdamW.
        weight_decay=weight_decay * beta,
    )
