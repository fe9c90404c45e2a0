"""A step of one variable on TensorFlow. Imported on that backend alone.

Without XLA each operation takes time and passes over memory, so the step uses operations that multiply and add in a
single pass.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from indian_core.dynamics import is_absent
from indian_core.norms import bare_root
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
    """How an array takes another one in: x⁺ = ``kept`` x + ``taken`` d. So do v with g², and a buffer with g.

    Attributes:
        kept: For v, as ``accumulator`` in `indian_core.norms.NormCoefficients`.
        taken: For v, as ``square`` there.
        proximal: The same as a proximal step along d, if ``kept`` and ``taken`` are Python numbers other than 0, and
            ``kept`` is not 1 either; else None.
    """

    kept: Any
    taken: Any
    proximal: ProximalStep | None

    @property
    def is_known(self) -> bool:
        """Whether the numbers are Python numbers."""
        return _is_number(self.kept) and _is_number(self.taken)


class Rates(NamedTuple):
    """The coefficients of a step in the form in which operations that subtract take them.

    They belong to one variable, or are vectors of those of many. The penalties are Python numbers.

    Attributes:
        theta_decay: As in `indian_core.dynamics.StepCoefficients`, with the opposite sign; the Python number 0 where
            ``theta`` contains it.
        theta: The move of θ by the velocity, and weight decay where the velocity decays with θ.
        velocity_decay: As in `indian_core.dynamics.StepCoefficients`, with the opposite sign.
        velocity_velocity: As there.
        theta_gradient: As there, for the gradient over √v + epsilon, and with the opposite sign.
        velocity_gradient: Likewise.
        velocity: How the velocity takes in a gradient that is in no norm.
        multiple: What the norm multiplies with, beside 1/(√v + epsilon). ``theta_gradient`` and ``velocity_gradient``
            contain it, except with ``norm_last``.
        epsilon: ε on the scale of √v.
        accumulation: How v takes the gradient in.
        norm_last: As in `indian_tf._step.coefficients.Coefficients`.
    """

    theta_decay: Any
    theta: ProximalStep
    velocity_decay: Any
    velocity_velocity: Any
    theta_gradient: Any
    velocity_gradient: Any
    velocity: Accumulation
    multiple: Any
    epsilon: Any
    accumulation: Accumulation
    norm_last: bool


def rates(coefficients: Coefficients, weight_decay: float) -> Rates:
    """The rates of a step.

    Args:
        coefficients: Of one variable or of many.
        weight_decay: λ of these.
    """
    c, norm, norm_last = coefficients
    root = bare_root(norm)
    in_gradient = 1.0 if norm_last else root.multiple
    # In velocity form, θ decays in proportion to its move by the velocity.
    decay, decay_alone = (0.0, -c.theta_decay) if is_absent(c.velocity_decay) else (weight_decay, 0.0)
    return Rates(
        theta_decay=decay_alone,
        theta=proximal_step(c.theta_velocity, decay, ops),
        velocity_decay=-c.velocity_decay,
        velocity_velocity=c.velocity_velocity,
        theta_gradient=-c.theta_gradient * in_gradient,
        velocity_gradient=-c.velocity_gradient * in_gradient,
        velocity=_accumulation(c.velocity_velocity, c.velocity_gradient),
        multiple=root.multiple,
        epsilon=root.epsilon,
        accumulation=_accumulation(norm.accumulator, norm.square),
        norm_last=norm_last,
    )


def _rates_of(settings: Settings, learning_rate: Any, steps: Any) -> Rates:
    return rates(coefficients_of(settings, learning_rate, steps), settings.weight_decay)


def _accumulation(kept: Any, taken: Any) -> Accumulation:
    proximal = None
    if _is_number(kept) and _is_number(taken) and kept not in (0, 1) and taken != 0:
        proximal = proximal_step(taken, (1 - kept) / taken)
    return Accumulation(kept, taken, proximal)


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
    if r.norm_last:
        _update_in_norm_last(theta, m, v, g, r)
        return
    if not _is(r.theta_decay, 0):
        _subtract(theta, r.theta_decay, tf.convert_to_tensor(theta))
    if m is None:
        _subtract(theta, r.theta_gradient, g)
        return
    if r.theta.penalty:
        _subtract(m, r.velocity_decay, tf.convert_to_tensor(theta))
    value = tf.convert_to_tensor(m)
    _take_proximal_step(theta, r.theta, value)
    if v is None and r.velocity.is_known:
        _subtract(theta, r.theta_gradient, g)
        _accumulate(m, r.velocity, g)
        return
    m.assign(r.velocity_velocity * value, read_value=False)
    if v is None:
        _subtract(theta, r.theta_gradient, g)
        _subtract(m, r.velocity_gradient, g)
        return
    # The next operation can add g² by itself.
    adds_square = _is(r.accumulation.kept, 1) and _is(r.accumulation.taken, 1)
    if not adds_square:
        _accumulate(v, r.accumulation, tf.square(g))
    _subtract_in_norm(theta, v, r.theta_gradient, g, r.epsilon, accumulate=adds_square)
    _subtract_in_norm(m, v, r.velocity_gradient, g, r.epsilon, accumulate=False)


def _update_in_norm_last(theta: Any, m: Any, v: Any, g: Any, r: Rates) -> None:
    """Take one step in place whose norm acts on all but the decay, and whose velocity takes in the gradient itself."""
    _accumulate(v, r.accumulation, tf.square(g))
    descent = r.theta.rate * tf.convert_to_tensor(m) + r.theta_gradient * g
    if not _is(r.theta_decay, 0):
        _subtract(theta, r.theta_decay, tf.convert_to_tensor(theta))
    _subtract_in_norm(theta, v, r.multiple, descent, r.epsilon, accumulate=False)
    # A graph would otherwise be free to overwrite m while something still reads it, for which it would copy m.
    with tf.control_dependencies([descent]):
        _accumulate(m, r.velocity, g)


def _resource(variable: Any) -> Any:
    return variable.value if isinstance(variable, Variable) else variable


def _accumulate(variable: Any, accumulation: Accumulation, tensor: Any) -> None:
    kept, taken, proximal = accumulation
    if proximal is not None:
        _take_proximal_step(variable, proximal, tensor)
    elif _is(kept, 0):
        variable.assign(taken * tensor, read_value=False)
    elif _is(kept, 1):
        _subtract(variable, -taken, tensor)
    else:
        variable.assign(kept * variable + taken * tensor, read_value=False)


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
    rate, epsilon = _as_tensor(rate, tensor.dtype), _as_tensor(epsilon, tensor.dtype)
    tf.raw_ops.ResourceApplyAdagradV2(
        var=variable.handle, accum=v.handle, lr=rate, epsilon=epsilon, grad=tensor, update_slots=accumulate
    )
