"""A step of one variable on TensorFlow. Imported on that backend alone.

Without XLA each operation takes time and passes over memory, so the step uses operations that multiply and add in a
single pass.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from indian_core.norms import NormCoefficients, bare_root
from indian_core.proximal import ProximalStep, proximal_step
from indian_tf._compat import Variable, is_in_xla_graph
from indian_tf._step.any_backend import AnyBackend, Arrays
from indian_tf._step.coefficients import Coefficients, CoefficientsOfVariable, coefficients_of
from indian_tf._step.dtypes import at_least_float32
from indian_tf._step.settings import Settings

__all__ = ["BACKEND", "Accumulation", "Rates", "TensorFlow", "is_compiled", "rates"]


class TensorFlow(AnyBackend):
    """The TensorFlow backend."""

    def read(self, variable: Any, dtype: str) -> Any:
        """The present value of a variable or tensor, perhaps a sparse one, as a dense tensor of a dtype."""
        # Keras takes a variable of TensorFlow for a tensor, which would be read wherever it is used.
        return ops.cast(tf.convert_to_tensor(ops.convert_to_tensor(variable)), dtype)

    def kept_values(self, variables: Sequence[Any], *, may_copy: bool) -> list[Any]:
        """Copies of the values of variables; none in a graph, where an error comes before anything runs."""
        return [tf.identity(variable) for variable in variables] if may_copy and tf.executing_eagerly() else []

    def is_recorded(self, value: Any) -> bool:
        """Whether operations are recorded in a graph."""
        del value
        return not tf.executing_eagerly()

    def update(self, arrays: Arrays, gradient: Any, coefficients: CoefficientsOfVariable) -> None:
        """Take one step of one variable in place; see `AnyBackend.update`."""
        if _has_operations(arrays):
            dtype = at_least_float32(*arrays.dtypes())
            _update_in_place(arrays, ops.cast(gradient, dtype), coefficients(_rates_of, dtype))
        else:
            super().update(arrays, gradient, coefficients)


BACKEND = TensorFlow()


class Accumulation(NamedTuple):
    """How v takes the square of a gradient in: v⁺ = ``kept`` v + ``square`` g².

    Attributes:
        kept: As ``accumulator`` in `indian_core.norms.NormCoefficients`.
        square: As there.
        proximal: The same as a proximal step along g², if ``kept`` and ``square`` are Python numbers other than 0, and
            ``kept`` is not 1 either; else None.
    """

    kept: Any
    square: Any
    proximal: ProximalStep | None


class Rates(NamedTuple):
    """The coefficients of a step in the form in which operations that subtract take them.

    They belong to one variable, or are vectors of those of many. The penalties are Python numbers.

    Attributes:
        theta: Weight decay and the move of θ by the velocity.
        velocity_decay: As in `indian_core.dynamics.StepCoefficients`, with the opposite sign.
        velocity_velocity: As there.
        theta_gradient: As there, for the gradient over √v + epsilon, and with the opposite sign.
        velocity_gradient: Likewise.
        epsilon: ε on the scale of √v.
        accumulation: How v takes the gradient in.
    """

    theta: ProximalStep
    velocity_decay: Any
    velocity_velocity: Any
    theta_gradient: Any
    velocity_gradient: Any
    epsilon: Any
    accumulation: Accumulation


def rates(coefficients: Coefficients, weight_decay: float) -> Rates:
    """The rates of a step.

    Args:
        coefficients: Of one variable or of many.
        weight_decay: λ of these.
    """
    c, norm = coefficients
    root = bare_root(norm)
    return Rates(
        theta=proximal_step(c.theta_velocity, weight_decay, ops),
        velocity_decay=-c.velocity_decay,
        velocity_velocity=c.velocity_velocity,
        theta_gradient=-c.theta_gradient * root.multiple,
        velocity_gradient=-c.velocity_gradient * root.multiple,
        epsilon=root.epsilon,
        accumulation=_accumulation(norm),
    )


def _rates_of(settings: Settings, learning_rate: Any, steps: Any) -> Rates:
    return rates(coefficients_of(settings, learning_rate, steps), settings.weight_decay)


def _accumulation(norm: NormCoefficients) -> Accumulation:
    kept, square = norm.accumulator, norm.square
    proximal = None
    if _is_number(kept) and _is_number(square) and kept not in (0, 1) and square != 0:
        proximal = proximal_step(square, (1 - kept) / square)
    return Accumulation(kept, square, proximal)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is(value: Any, number: int) -> bool:
    """Whether a value is this Python number; a tensor may hold anything."""
    return _is_number(value) and value == number


def _has_operations(arrays: Arrays) -> bool:
    """Whether TensorFlow has the operations for these arrays, and no compiler would do better."""
    (dtype, *others) = set(arrays.dtypes())
    return not others and dtype in ("float32", "float64") and not is_compiled()


def is_compiled() -> bool:
    """Whether operations are recorded for XLA."""
    return not tf.executing_eagerly() and is_in_xla_graph()


def _update_in_place(arrays: Arrays, gradient: Any, r: Rates) -> None:
    """Take one step in place; the gradient has the dtype of the arrays."""
    g = tf.convert_to_tensor(gradient)
    theta, m, v = (_resource(each) for each in arrays)
    if r.theta.penalty:
        _subtract(m, r.velocity_decay, tf.convert_to_tensor(theta))
    value = tf.convert_to_tensor(m)
    _take_proximal_step(theta, r.theta, value)
    m.assign(r.velocity_velocity * value, read_value=False)
    if v is None:
        _subtract(theta, r.theta_gradient, g)
        _subtract(m, r.velocity_gradient, g)
        return
    # The next operation can add g² by itself.
    adds_square = _is(r.accumulation.kept, 1) and _is(r.accumulation.square, 1)
    if not adds_square:
        _accumulate(v, r.accumulation, tf.square(g))
    _subtract_in_norm(theta, v, r.theta_gradient, g, r.epsilon, accumulate=adds_square)
    _subtract_in_norm(m, v, r.velocity_gradient, g, r.epsilon, accumulate=False)


def _resource(variable: Any) -> Any:
    return variable.value if isinstance(variable, Variable) else variable


def _accumulate(v: Any, accumulation: Accumulation, squares: Any) -> None:
    kept, square, proximal = accumulation
    if proximal is not None:
        _take_proximal_step(v, proximal, squares)
    elif _is(kept, 0):
        v.assign(square * squares, read_value=False)
    elif _is(kept, 1):
        _subtract(v, -square, squares)
    else:
        v.assign(kept * v + square * squares, read_value=False)


def _subtract(variable: Any, rate: Any, tensor: Any) -> None:
    """Subtract a multiple of a tensor."""
    rate = _as_tensor(rate, tensor.dtype)
    tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=tensor)


def _as_tensor(rate: Any, dtype: Any) -> Any:
    # In a graph, the dtype of a Python number would be taken for that of all arguments.
    return tf.convert_to_tensor(rate, dtype)


def _take_proximal_step(variable: Any, step: ProximalStep, tensor: Any) -> None:
    if not step.penalty:
        _subtract(variable, step.rate, tensor)
    elif _is_on_cpu(variable):
        tf.raw_ops.ResourceApplyProximalGradientDescent(
            var=variable.handle, alpha=_as_tensor(step.rate, tensor.dtype), l1=0.0, l2=step.penalty, delta=tensor
        )
    else:
        # No other device has that operation.
        variable.assign((variable - step.rate * tensor) / (1 + step.rate * step.penalty), read_value=False)


def _is_on_cpu(variable: Any) -> bool:
    return tf.DeviceSpec.from_string(variable.device).device_type == "CPU"


def _subtract_in_norm(variable: Any, v: Any, rate: Any, tensor: Any, epsilon: Any, *, accumulate: bool) -> None:
    """Subtract a multiple of the tensor over √v + ε; if ``accumulate``, add its square to v before."""
    tf.raw_ops.ResourceApplyAdagradV2(
        var=variable.handle, accum=v.handle, lr=rate, epsilon=epsilon, grad=tensor, update_slots=accumulate
    )
