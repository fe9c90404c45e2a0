"""The norms by name."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import numpy

from indian_core.hyperparameters import DEFAULTS, check_choice
from indian_core.norms.adagrad import ADAGRAD
from indian_core.norms.coefficients import NormCoefficients
from indian_core.norms.definition import Norm
from indian_core.norms.euclidean import euclidean
from indian_core.norms.rmsprop import RMSPROP

__all__ = ["NORMS", "norm_coefficients", "resolve_learning_rate"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""

# A plain dictionary, since torch.compile does not trace through MappingProxyType.
NORMS: Final[Mapping[str, Norm]] = {"rmsprop": RMSPROP, "adagrad": ADAGRAD}
"""The norms other than the Euclidean, whose name is None."""


def norm_coefficients(
    name: str | None, count: Scalar, decay: Scalar, epsilon: Scalar, xp: Any = numpy
) -> NormCoefficients:
    """The norm of that name at one step.

    Args:
        name: None for the Euclidean norm, or a key of `NORMS`.
        count: k, the number of gradients that v will have seen, this step's included.
        decay: σ; RMSProp alone has one.
        epsilon: ε >= 0.
        xp: Namespace of the arrays.

    Raises:
        TypeError: ``name`` is neither a string nor None.
        ValueError: There is no norm of that name.

    Example:
        >>> norm_coefficients("adagrad", 1, 0.9, 1e-8).square
        1.0
        >>> norm_coefficients("shampoo", 1, 0.9, 1e-8)
        Traceback (most recent call last):
        ...
        ValueError: norm must be 'rmsprop', 'adagrad' or None, got 'shampoo'
    """
    check_choice("norm", name, NORMS, optional=True)
    return euclidean() if name is None else NORMS[name].coefficients(count, decay, epsilon, xp)


def resolve_learning_rate(learning_rate: Any, norm: str | None) -> Any:
    """The learning rate of INDIAN, where None is the default of the norm.

    A step of A⁻¹g in the norm of RMSProp is as long however small the gradient, so the default without a norm is far
    too large there.

    Args:
        learning_rate: None, or anything else, which is returned as it is.
        norm: None for the Euclidean norm, or a key of `NORMS`.

    Example:
        >>> resolve_learning_rate(None, "rmsprop"), resolve_learning_rate(None, None), resolve_learning_rate(0.5, None)
        (0.003, 0.1, 0.5)
    """
    if learning_rate is not None:
        return learning_rate
    return DEFAULTS.learning_rate if norm is None else NORMS[norm].learning_rate
