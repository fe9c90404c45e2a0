"""A step of one variable in TensorFlow without XLA, where each operation passes over memory. Only it loads this."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext

from indian_core.norms import adagrad_step
from indian_tf.coefficients import Coefficients

__all__ = ["is_right", "take"]


def is_right(*variables: Any) -> bool:
    """Whether `take` is right for these: of one dtype of full precision, and no compiler would do better."""
    (dtype, *others) = {keras.backend.standardize_dtype(variable.dtype) for variable in variables}
    return not others and dtype in ("float32", "float64") and not _is_compiled()


def _is_compiled() -> bool:
    return not tf.executing_eagerly() and GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


def take(variable: Any, velocity: Any, accumulator: Any, gradient: Any, coefficients: Coefficients) -> None:
    """Take one step in place, by operations that multiply and add in a single pass.

    Args:
        variable: θ.
        velocity: m.
        accumulator: v of the norm; None in the Euclidean.
        gradient: g, of their dtype.
        coefficients: Numbers or tensors.
    """
    c, norm = coefficients
    g = tf.convert_to_tensor(gradient)
    theta, m, v = (_resource(each) for each in (variable, velocity, accumulator))
    if not (isinstance(c.theta_decay, float) and c.theta_decay == 0):
        value = tf.convert_to_tensor(theta)
        _add(m, c.velocity_decay, value)
        theta.assign((1 + c.theta_decay) * value)
    value = tf.convert_to_tensor(m)
    _add(theta, c.theta_velocity, value)
    if v is None:
        _add(theta, c.theta_gradient, g)
        m.assign(c.velocity_velocity * value)
        _add(m, c.velocity_gradient, g)
        return
    a = adagrad_step(norm)
    if a.accumulator != 1:
        v.assign(a.accumulator * tf.convert_to_tensor(v))
        g = a.gradient * g
    _add_in_norm(theta, v, c.theta_gradient * a.multiple, g, a.epsilon, accumulate=True)
    m.assign(c.velocity_velocity * value)
    _add_in_norm(m, v, c.velocity_gradient * a.multiple, g, a.epsilon, accumulate=False)


def _resource(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _add(variable: Any, coefficient: Any, tensor: Any) -> None:
    """Add a multiple of a tensor."""
    tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=-coefficient, delta=tensor)


def _add_in_norm(variable: Any, v: Any, coefficient: Any, tensor: Any, epsilon: Any, *, accumulate: bool) -> None:
    """Add a multiple of the tensor divided by √v + ε, after adding its square to v if that is to accumulate."""
    tf.raw_ops.ResourceApplyAdagradV2(
        var=variable.handle, accum=v.handle, lr=-coefficient, epsilon=epsilon, grad=tensor, update_slots=accumulate
    )
