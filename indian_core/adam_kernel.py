"""A step in the order of Adam as one step of Adam itself, for kernels that fuse it.

In the damping form the displacement is A⁻¹u, where u = ab + cg is a combination of the buffer b and the gradient g.
Adam moves θ by A⁻¹ times the average μ′b + (1 − μ′)g, its bias taken out. With μ′ = a/(a + c) and the learning rate
that fits, these are the same. For r = 1 the average is b⁺ itself; otherwise b⁺ is an average of it and g.
"""

from typing import Final, NamedTuple

from indian_core.dynamics import StepCoefficients
from indian_core.norms.elementary import bias_correction

__all__ = ["AdamStep", "adam_step"]

_LARGEST_FACTOR: Final = 4.0
"""The largest |1 − ``gradient_share``| in use, the factor of the rounding error of the average."""


class AdamStep(NamedTuple):
    """One step of Adam with decoupled weight decay.

    With g′ = g, or −g to maximize, and k the number of the step::

        b′ = momentum b + (1 - momentum) g′
        θ⁺ = θ - learning_rate (weight_decay θ + A⁻¹ b′ / (1 - momentumᵏ))
        b⁺ = (1 - gradient_share) b′ + gradient_share g′

    Attributes:
        learning_rate: η.
        momentum: μ′ in [0, 1).
        weight_decay: λ.
        maximize: Whether the gradient is negated.
        theta_average: −η/(1 − μ′ᵏ), the factor of A⁻¹b′ in θ⁺.
        gradient_share: Of g′ in the new buffer beside the average; 0 for r = 1.
    """

    learning_rate: float
    momentum: float
    weight_decay: float
    maximize: bool
    theta_average: float
    gradient_share: float


def adam_step(pre: StepCoefficients, post: StepCoefficients, count: int) -> AdamStep | None:
    """The step as one of Adam; None if it is no such step.

    Args:
        pre: Python numbers, from `indian_core.damping.pre_damping_form` with a ``count``.
        post: The same step from `indian_core.damping.post_damping_form`, or ``pre`` itself.
        count: k >= 1, the number of the step.

    Example:
        >>> from indian_core.damping import post_damping_form, pre_damping_form
        >>> pre, post = (form(0.5, 0.75, damping=1.0, count=9) for form in (pre_damping_form, post_damping_form))
        >>> step = adam_step(pre, post, count=9)
        >>> round(step.learning_rate, 12), step.momentum, step.gradient_share
        (0.5, 0.75, 0.0)
    """
    maximize = pre.velocity_gradient < 0
    from_gradient = -pre.theta_gradient if maximize else pre.theta_gradient
    if from_gradient == 0 or pre.theta_velocity / from_gradient < 0:
        return None
    if post.theta_velocity == 0 and post.theta_gradient == 0:
        momentum, total, gradient_share = pre.velocity_velocity, post.theta_next_velocity, 0.0
    else:
        total = pre.theta_velocity + from_gradient
        momentum = pre.theta_velocity / total
        if pre.velocity_velocity > _LARGEST_FACTOR * momentum:
            return None
        gradient_share = 1 - pre.velocity_velocity / momentum if momentum else 0.0
    learning_rate = -total * bias_correction(momentum, count, None)
    return AdamStep(learning_rate, momentum, -pre.theta_decay / learning_rate, maximize, total, gradient_share)
