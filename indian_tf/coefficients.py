"""The coefficients of one step, of all variables."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from indian_core.dynamics import StepCoefficients
from indian_core.norms import NormCoefficients
from indian_tf import in_place

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
        learning_rate: γ of this step.
        steps: The number of steps that each variable has taken, a vector of integers.
    """

    def __init__(self, learning_rate: Any, steps: Any) -> None:
        self._learning_rate = learning_rate
        self._steps = steps
        self._of_all = functools.cache(self._compute_all)

    def __call__(self, compute: Callable[[Any, Any, bool], Any], index: int, dtype: str, *, decays: bool) -> Any:
        """Those of one variable, as named tuples.

        Args:
            compute: Those of many, for a step size, the numbers of steps taken before, and with weight decay or not.
            index: Of the variable.
            dtype: What they are computed in.
            decays: Whether the variable decays.
        """
        vectors, entries = self._of_all(compute, dtype, decays)
        return keras.tree.pack_sequence_as(vectors, [_entry(c, index) for c in entries])

    def _compute_all(self, compute: Callable[[Any, Any, bool], Any], dtype: str, decays: bool) -> tuple[Any, list[Any]]:
        # Read now, or TensorFlow would read the variable wherever a coefficient is used.
        learning_rate = in_place.read(ops.convert_to_tensor(self._learning_rate, dtype), dtype)
        vectors = compute(learning_rate, ops.cast(self._steps, dtype), decays)
        return vectors, [_split(c) for c in keras.tree.flatten(vectors)]


def _split(coefficient: Any) -> Any:
    """A list of the entries of a vector, made by a single operation; anything else unchanged."""
    return ops.unstack(coefficient) if len(getattr(coefficient, "shape", ())) == 1 else coefficient


def _entry(coefficient: Any, index: int) -> Any:
    return coefficient[index] if isinstance(coefficient, list | tuple) else coefficient
