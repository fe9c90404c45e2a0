"""The coefficients of one step, of all variables."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from keras import ops

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients

__all__ = ["Coefficients", "CoefficientsOfAll"]


class Coefficients(NamedTuple):
    """The coefficients of a step of one variable, or those of many variables as vectors.

    Attributes:
        step: In pre form.
        norm: Of the norm.
    """

    step: StepCoefficients
    norm: NormCoefficients


class CoefficientsOfAll:
    """The coefficients of a step of each variable.

    Computed for all variables at once, since without a compiler each operation on a number takes its time.

    Args:
        compute: The coefficients for a step size, the numbers of steps taken before, and with weight decay or without.
        learning_rate: γ of this step.
        steps: The number of steps that each variable has taken, a vector of integers.
    """

    def __init__(self, compute: Callable[[Any, Any, bool], Coefficients], learning_rate: Any, steps: Any) -> None:
        self._compute = compute
        self._learning_rate = learning_rate
        self._steps = steps
        self._of_all = functools.cache(self._compute_all)

    def __call__(self, index: int, dtype: str, *, decays: bool) -> Coefficients:
        """Those of one variable.

        Args:
            index: Of the variable.
            dtype: What they are computed in.
            decays: Whether the variable decays.
        """
        step, norm = self._of_all(dtype, decays)
        return Coefficients(
            StepCoefficients(*(_entry(c, index) for c in step)), NormCoefficients(*(_entry(c, index) for c in norm))
        )

    def _compute_all(self, dtype: str, decays: bool) -> tuple[Sequence[Any], Sequence[Any]]:
        step, norm = self._compute(
            ops.convert_to_tensor(self._learning_rate, dtype), ops.cast(self._steps, dtype), decays
        )
        return [_split(c) for c in step], [_split(c) for c in norm]


def _split(coefficient: Any) -> Any:
    """A list of the entries of a vector, made by a single operation; anything else unchanged."""
    return ops.unstack(coefficient) if len(getattr(coefficient, "shape", ())) == 1 else coefficient


def _entry(coefficient: Any, index: int) -> Any:
    return coefficient[index] if isinstance(coefficient, list | tuple) else coefficient
