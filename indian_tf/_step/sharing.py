"""The coefficients of all variables, computed once in a step and shared by the updates of the variables.

Without a compiler every operation on a number takes time, so one operation on a vector replaces those of many
variables.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import keras
from keras import ops

from indian_tf._step.any_backend import AnyBackend
from indian_tf._step.coefficients import CoefficientsOfVariable, Compute
from indian_tf._step.settings import Settings

__all__ = ["OneStep", "Sharing"]


class OneStep:
    """One step of all variables, or of one: its learning rate, and the coefficients that follow.

    Args:
        learning_rate: γ of this step: a number, a tensor or a variable.
        steps: The steps that each variable has taken, a vector of integers; for one variable, that integer.
        backend: Of this process.
    """

    def __init__(self, learning_rate: Any, steps: Any, backend: AnyBackend) -> None:
        self.learning_rate = learning_rate
        self._steps = steps
        self._backend = backend
        self._computed: dict[tuple[Compute, str, Settings], tuple[Any, list[Any]]] = {}

    def of_variable(self, index: int, settings: Settings) -> CoefficientsOfVariable:
        """The coefficients of a variable, computed at the first call.

        Args:
            index: Of the variable; any if this is the step of one variable alone.
            settings: Of the variable.
        """

        def coefficients(compute: Compute, dtype: str) -> Any:
            vectors, entries = self._of_all(compute, dtype, settings)
            return keras.tree.pack_sequence_as(vectors, [_entry(c, index) for c in entries])

        return coefficients

    def _of_all(self, compute: Compute, dtype: str, settings: Settings) -> tuple[Any, list[Any]]:
        key = (compute, dtype, settings)
        if key not in self._computed:
            given = ops.convert_to_tensor(self.learning_rate, dtype)
            if len(given.shape) > 0:
                # A vector would be taken for one rate for each variable.
                given = ops.reshape(given, ()) if math.prod(given.shape) == 1 else _refuse(given)
            # Read now: TensorFlow would read the variable again wherever a coefficient is used.
            learning_rate = self._backend.read(given, dtype)
            vectors = compute(settings, learning_rate, ops.cast(self._steps, dtype))
            self._computed[key] = vectors, [_split(c) for c in keras.tree.flatten(vectors)]
        return self._computed[key]


class Sharing:
    """The steps that `apply` takes at this moment. With a distribution strategy there is one for each replica.

    A step is found by its learning rate, the very object: so an update that is called with another one, or outside of
    `apply`, finds none.
    """

    def __init__(self) -> None:
        self._steps: dict[int, OneStep] = {}

    @property
    def is_open(self) -> bool:
        """Whether `apply` is taking a step."""
        return bool(self._steps)

    @contextmanager
    def open(self, step: OneStep) -> Iterator[None]:
        """Share a step until the end of the context."""
        key = id(step.learning_rate)
        self._steps[key] = step
        try:
            yield
        finally:
            # Two replicas may have the same number for a learning rate.
            self._steps.pop(key, None)

    def find(self, learning_rate: Any) -> OneStep | None:
        """The shared step with this learning rate, or None."""
        return self._steps.get(id(learning_rate))


def _refuse(learning_rate: Any) -> NoReturn:
    shape = tuple(learning_rate.shape)
    raise ValueError(f"learning_rate must be a single number, got an array of shape {shape}")


def _split(coefficient: Any) -> Any:
    """A list of the entries of a vector, made by a single operation; anything else unchanged."""
    return ops.unstack(coefficient) if len(getattr(coefficient, "shape", ())) == 1 else coefficient


def _entry(coefficient: Any, index: int) -> Any:
    return coefficient[index] if isinstance(coefficient, list | tuple) else coefficient
