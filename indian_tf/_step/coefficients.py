"""The coefficients of a variable's step: settings, numbers or tensors, given to the core."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from keras import ops

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients, norm_coefficients
from indian_tf._step.settings import Settings

__all__ = ["Coefficients", "CoefficientsOfVariable", "Compute", "coefficients_of"]


class Coefficients(NamedTuple):
    """The coefficients of the step of one variable, or of many variables as vectors.

    Attributes:
        step: In pre form.
        norm: Of the norm; those of the Euclidean norm without one.
        norm_last: Whether A⁻¹ acts on the displacement, as in Adam, and not on the gradient. It does not act on weight
            decay, and the velocity then averages the gradient itself.
    """

    step: StepCoefficients
    norm: NormCoefficients
    norm_last: bool = False


Compute: TypeAlias = Callable[[Settings, Any, Any], Any]
"""A function that computes coefficients, a named tuple, from settings, learning rate and steps: `coefficients_of`."""

CoefficientsOfVariable: TypeAlias = Callable[[Compute, str], Any]
"""The coefficients of one variable, from the function that computes them and their dtype."""


def coefficients_of(settings: Settings, learning_rate: Any, steps: Any) -> Coefficients:
    """The coefficients of a step.

    Args:
        settings: Of the variables.
        learning_rate: Of this step.
        steps: The steps that a variable has taken: a Python int, or a floating tensor, perhaps of many variables.

    Example:
        >>> from indian_tf._step.settings import INDIANSettings
        >>> settings = INDIANSettings(1.0, 0.25, None, 0.0, "adagrad", 0.999, 1e-8)
        >>> coefficients = coefficients_of(settings, 0.5, 0)
        >>> coefficients.step.theta_velocity, coefficients.norm.square
        (0.5, 1.0)
    """
    norm = norm_coefficients(settings.norm, steps + 1, settings.norm_decay, settings.norm_epsilon, ops)
    return Coefficients(settings.step(learning_rate, steps), norm, settings.norm_last)
