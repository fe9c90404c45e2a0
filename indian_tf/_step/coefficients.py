"""The coefficients of a variable's step: settings, numbers or tensors, given to the core."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from keras import ops

from indian_core.dynamics import StepCoefficients, pre_form
from indian_core.norms import NormCoefficients, norm_coefficients
from indian_tf._step.settings import Settings

__all__ = ["Coefficients", "CoefficientsOfVariable", "Compute", "coefficients_of"]


class Coefficients(NamedTuple):
    """The coefficients of the step of one variable, or of many variables as vectors.

    Attributes:
        step: In pre form.
        norm: Of the norm; those of the Euclidean norm without one.
    """

    step: StepCoefficients
    norm: NormCoefficients


Compute: TypeAlias = Callable[[Settings, Any, Any], Any]
"""A function that computes coefficients, a named tuple, from settings, learning rate and steps: `coefficients_of`."""

CoefficientsOfVariable: TypeAlias = Callable[[Compute, str], Any]
"""The coefficients of one variable, from the function that computes them and their dtype."""


def coefficients_of(settings: Settings, learning_rate: Any, steps: Any) -> Coefficients:
    """The coefficients of a step.

    Args:
        settings: Of the variables.
        learning_rate: γ.
        steps: The steps that a variable has taken: a Python int, or a floating tensor, perhaps of many variables.

    Example:
        >>> settings = Settings(1.0, 0.25, None, 0.0, "adagrad", 0.999, 1e-8)
        >>> coefficients = coefficients_of(settings, 0.5, 0)
        >>> coefficients.step.theta_velocity, coefficients.norm.square
        (0.5, 1.0)
    """
    s = settings
    step = pre_form(
        learning_rate,
        s.alpha,
        s.beta,
        initial_speed=s.initial_speed,
        weight_decay=s.weight_decay,
        first=_is_zero(steps),
    )
    return Coefficients(step, norm_coefficients(s.norm, steps + 1, s.norm_decay, s.norm_epsilon, ops))


def _is_zero(steps: Any) -> Any:
    """Whether a number is 0: a bool for a Python int, for a tensor the number 0 or 1 of its dtype."""
    return steps == 0 if isinstance(steps, int) else ops.cast(ops.equal(steps, 0), steps.dtype)
