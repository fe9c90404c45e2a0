"""A step of one variable in TensorFlow without XLA, where each operation takes its time and passes over memory.

Only that backend loads this.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from indian_core.norms import bare_root
from indian_core.proximal import ProximalStep, proximal_step
from indian_tf.coefficients import Coefficients

__all__ = ["Rates", "is_right", "rates", "take"]


class Rates(NamedTuple):
    """The coefficients of a step as operations that subtract take them, of one variable or vectors of those of many.

    The penalties are Python numbers.

    Attributes:
        theta: Weight decay and the move of θ by the velocity.
        velocity_decay: As in `indian_core.dynamics.StepCoefficients` but for the sign.
        velocity_velocity: As there.
        theta_gradient: As there, for the gradient over √v + epsilon and but for the sign.
        velocity_gradient: Likewise.
        epsilon: ε on the scale of √v.
        forgets: Whether v is to forget all squares before, as with σ = 0.
        accumulator: The running mean of squares in v; None where that is their sum.
    """

    theta: ProximalStep
    velocity_decay: Any
    velocity_velocity: Any
    theta_gradient: Any
    velocity_gradient: Any
    epsilon: Any
    forgets: bool
    accumulator: ProximalStep | None


def is_right(*variables: Any) -> bool:
    """Whether `take` is right for these: of one dtype of full precision, and no compiler would do better."""
    (dtype, *others) = {keras.backend.standardize_dtype(variable.dtype) for variable in variables}
    return not others and dtype in ("float32", "float64") and not _is_compiled()


def _is_compiled() -> bool:
    return not tf.executing_eagerly() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def rates(coefficients: Coefficients, weight_decay: float) -> Rates:
    """What `take` takes.

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
        forgets=norm.accumulator == 0,
        accumulator=None if norm.accumulator in (0, 1) else proximal_step(norm.square, 1.0),
    )


def take(variable: Any, velocity: Any, accumulator: Any, gradient: Any, of_step: Rates) -> None:
    """Take one step in place, by operations that multiply and add in a single pass.

    Args:
        variable: θ.
        velocity: m.
        accumulator: v of the norm; None in the Euclidean.
        gradient: g, of their dtype.
        of_step: Numbers or tensors.
    """
    r = of_step
    g = tf.convert_to_tensor(gradient)
    theta, m, v = (_resource(each) for each in (variable, velocity, accumulator))
    if r.theta.penalty:
        _subtract(m, r.velocity_decay, tf.convert_to_tensor(theta))
    value = tf.convert_to_tensor(m)
    _take_proximal_step(theta, r.theta, value)
    m.assign(r.velocity_velocity * value, read_value=False)
    if v is None:
        _subtract(theta, r.theta_gradient, g)
        _subtract(m, r.velocity_gradient, g)
        return
    if r.forgets:
        v.assign(tf.zeros_like(g), read_value=False)
    if r.accumulator is not None:
        _take_proximal_step(v, r.accumulator, tf.square(g))
    _subtract_in_norm(theta, v, r.theta_gradient, g, r.epsilon, accumulate=r.accumulator is None)
    _subtract_in_norm(m, v, r.velocity_gradient, g, r.epsilon, accumulate=False)


def _resource(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _subtract(variable: Any, rate: Any, tensor: Any) -> None:
    """Subtract a multiple of a tensor."""
    tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=tensor)


def _take_proximal_step(variable: Any, step: ProximalStep, tensor: Any) -> None:
    if not step.penalty:
        _subtract(variable, step.rate, tensor)
    elif _is_on_cpu(variable):
        # In a graph, the dtype of a Python number would be that of all arguments.
        rate = tf.convert_to_tensor(step.rate, tensor.dtype)
        tf.raw_ops.ResourceApplyProximalGradientDescent(
            var=variable.handle, alpha=rate, l1=0.0, l2=step.penalty, delta=tensor
        )
    else:
        # No other device has that operation.
        variable.assign((variable - step.rate * tensor) / (1 + step.rate * step.penalty), read_value=False)


def _is_on_cpu(variable: Any) -> bool:
    return tf.DeviceSpec.from_string(variable.device).device_type == "CPU"


def _subtract_in_norm(variable: Any, v: Any, rate: Any, tensor: Any, epsilon: Any, *, accumulate: bool) -> None:
    """Subtract a multiple of the tensor over √v + ε, after adding its square to v if that is to accumulate."""
    tf.raw_ops.ResourceApplyAdagradV2(
        var=variable.handle, accum=v.handle, lr=rate, epsilon=epsilon, grad=tensor, update_slots=accumulate
    )
