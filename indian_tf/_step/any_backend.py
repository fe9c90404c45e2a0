"""A step of one variable in Keras' own operations, and what a backend may replace."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
from keras import ops

from indian_core.damping import direction_displacement
from indian_core.dynamics import displacement, next_velocity
from indian_core.norms import accumulate, preconditioned, scale
from indian_tf._step.coefficients import Coefficients, CoefficientsOfVariable, coefficients_of
from indian_tf._step.dtypes import at_least_float32
from indian_tf._step.settings import Settings

__all__ = ["BACKEND", "AnyBackend", "Arrays"]


class Arrays(NamedTuple):
    """A variable and its state.

    Attributes:
        theta: θ; on TensorFlow perhaps one of TensorFlow's own variables.
        velocity: m; None for a step without one.
        accumulator: v of the norm; None without a norm.
    """

    theta: Any
    velocity: Any
    accumulator: Any

    def dtypes(self) -> list[str]:
        """The dtypes of the arrays that there are."""
        return [keras.backend.standardize_dtype(array.dtype) for array in self if array is not None]


class AnyBackend:
    """A step in operations on tensors that assigns to each variable once, which suits compilers.

    A subclass replaces what its backend does differently.
    """

    updates_many = False
    """Whether the backend has an `update_many`."""

    def read(self, variable: Any, dtype: str) -> Any:
        """The present value of a variable or tensor, perhaps a sparse one, as a dense tensor of a dtype."""
        return ops.cast(ops.convert_to_tensor(variable), dtype)

    def dense(self, gradient: Any) -> Any:
        """A gradient as operations on many tensors take it."""
        return gradient

    @contextmanager
    def all_or_nothing(self, variables: Sequence[Any], *, may_copy: bool) -> Iterator[None]:
        """In the context, an error puts variables back to their values.

        Args:
            variables: Of Keras or of the backend.
            may_copy: Whether to copy them for that; if False, only what costs no copy is put back.
        """
        before = self.kept_values(variables, may_copy=may_copy)
        try:
            yield
        except BaseException:
            for variable, value in zip(variables, before, strict=False):
                variable.assign(value)
            raise

    def kept_values(self, variables: Sequence[Any], *, may_copy: bool) -> list[Any]:
        """The values of variables, which later assignments do not change; none of them where that needs a copy."""
        del variables, may_copy
        return []

    def is_recorded(self, value: Any) -> bool:
        """Whether operations on this tensor are recorded, perhaps for XLA, rather than run."""
        del value
        return False

    def update(self, arrays: Arrays, gradient: Any, coefficients: CoefficientsOfVariable) -> None:
        """Take one step of one variable in place. An array in 16 bits is rounded once.

        Args:
            arrays: The variable and its state.
            gradient: g.
            coefficients: From `indian_tf._step.sharing.OneStep.of_variable`.
        """
        variable, velocity, accumulator = arrays
        # In bfloat16, 1 − αγ would be 1.
        dtype = at_least_float32(*arrays.dtypes())
        found: Coefficients = coefficients(coefficients_of, dtype)
        step, norm, norm_last = found
        theta, g = self.read(variable, dtype), self.read(gradient, dtype)
        m = None if velocity is None else self.read(velocity, dtype)
        v, direction = None, g
        if accumulator is not None:
            v = accumulate(self.read(accumulator, dtype), g, norm)
            _assign(accumulator, v)
            direction = g if norm_last else preconditioned(g, scale(v, norm, ops))
        move = (
            direction_displacement(theta, m, None, g, scale(v, norm, ops), step)
            if norm_last
            else displacement(theta, m, None, direction, step)
        )
        m_next = None if m is None else next_velocity(theta, m, direction, step)
        _assign(variable, theta + move)
        if m is None:
            return
        one = self._one_after(variable, dtype)
        if one is not None:
            # Computed again: XLA would keep a direction that two results need in a buffer of the parameters' size.
            again = g if v is None or norm_last else preconditioned(g, scale(one * v, norm, ops))
            m_next = next_velocity(theta, m, again, step._replace(velocity_velocity=one * step.velocity_velocity))
        _assign(velocity, m_next)

    def update_many(
        self,
        arrays: Arrays,
        gradients: Sequence[Any],
        settings: Sequence[Settings],
        steps: Sequence[int],
        learning_rate: Any,
    ) -> None:
        """Take one step of many variables in few calls.

        Args:
            arrays: The variables and their state, lists; in the second the entries are None without a velocity, in the
                third without a norm.
            gradients: g of each.
            settings: Of each.
            steps: The number of steps that each has taken.
            learning_rate: γ.

        Raises:
            NotImplementedError: The backend does not have this.
        """
        raise NotImplementedError

    def apply_statelessly(
        self, apply: Callable[[Any, Any, Any], Any], optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> Any:
        """Call Keras' `stateless_apply` so that it changes none of the tensors given."""
        return apply(optimizer_variables, grads, trainable_variables)

    def _one_after(self, variable: Any, dtype: str) -> Any:
        """In a step compiled for a CPU the number 1, as a value that depends on what was assigned to the variable.

        A step moves θ by the old velocity and then overwrites the velocity. XLA orders operations by their data alone.
        If no data says that θ comes first, XLA copies the velocity, and the step takes more than twice the time. On
        other devices XLA does both updates in one kernel, which this would split.

        The post form, which moves θ by the new velocity, would need no such order. But near ρ = 1 − αγ = 0 it has to
        mix the old velocity into the gradient (docs/mathematics.md, "The case αγ = 1"). If the learning rate is traced,
        XLA must be ready for that case, and copies a buffer of the size of the parameters.

        Returns:
            A tensor of no dimensions; None where no order is needed.
        """
        value = ops.convert_to_tensor(variable)
        if math.prod(value.shape) == 0 or not self.is_recorded(value) or not _is_on_cpu():
            return None
        element = value[(0,) * len(value.shape)]
        # Always false. But XLA looks at the two parts one by one, and each of them is true of some numbers.
        never = ops.logical_and(ops.equal(element, element), ops.not_equal(element, element))
        return 1.0 + ops.cast(never, dtype)


def _assign(variable: Any, value: Any) -> None:
    """Assign a tensor of any floating dtype."""
    variable.assign(ops.cast(value, keras.backend.standardize_dtype(variable.dtype)))


def _is_on_cpu() -> bool:
    # Keras lists the devices of the fastest kind that there is.
    return str(keras.distribution.list_devices()[0]).startswith("cpu")


BACKEND = AnyBackend()
