"""Updates of variables in place, as each backend does them with the fewest passes over memory."""

import math
from typing import Any

import keras
from keras import ops

from indian_tf.dtypes import at_least_float32

__all__ = ["add", "after"]

_BACKEND = keras.backend.backend()
if _BACKEND == "tensorflow":
    import tensorflow as tf
elif _BACKEND == "jax":
    import jax


def add(variable: Any, *terms: tuple[Any, Any]) -> None:
    """Add multiples of tensors to a variable; one of 16 bits is rounded once, after a sum in float32.

    Args:
        variable: A variable; on TensorFlow perhaps one of TensorFlow's own.
        *terms: Coefficient and tensor of each, in the dtype of the variable or, if that has less precision, in float32.
    """
    dtype = keras.backend.standardize_dtype(variable.dtype)
    if at_least_float32(dtype) != dtype:
        total = sum(coefficient * tensor for coefficient, tensor in terms)
        value = ops.cast(ops.convert_to_tensor(variable), at_least_float32(dtype))
        variable.assign(ops.cast(value + total, dtype))
    elif _BACKEND == "tensorflow":
        # Without XLA each operation passes over memory; this one multiplies and adds in a single pass.
        handle = (variable.value if isinstance(variable, keras.Variable) else variable).handle
        for coefficient, tensor in terms:
            tf.raw_ops.ResourceApplyGradientDescent(var=handle, alpha=-coefficient, delta=tensor)
    else:
        total = sum(coefficient * tensor for coefficient, tensor in terms)
        variable.assign_add(ops.cast(total, dtype))


def after(variable: Any, scalar: Any) -> Any:
    """The scalar; in a compiled step on a CPU, as a value that depends on what was assigned to the variable.

    A step moves θ by the old velocity and then overwrites that. XLA knows no order but that of the data. Where no data
    says that θ comes first it copies the velocity, and the step takes more than twice the time. On other devices XLA
    does both updates in one kernel, which this would take apart.

    The post form, which moves θ by the new velocity, would need no such order. But near ρ = 1 − αγ = 0 it has to mix
    the old velocity into the gradient (docs/mathematics.md, "The case αγ = 1"), and where the learning rate is traced
    XLA has to be ready for that: it copies a buffer of the size of the parameters.

    Args:
        variable: A variable.
        scalar: A tensor of no dimensions.
    """
    value = ops.convert_to_tensor(variable)
    if math.prod(value.shape) == 0 or not _is_recorded(value) or not _on_cpu():
        return scalar
    element = value[(0,) * len(value.shape)]
    # Always false; but XLA looks at the two parts one by one, and each of them is true of some numbers.
    never = ops.logical_and(ops.equal(element, element), ops.not_equal(element, element))
    return scalar + ops.cast(never, keras.backend.standardize_dtype(scalar.dtype))


def _is_recorded(value: Any) -> bool:
    """Whether the operations are recorded, perhaps for XLA, rather than run."""
    if _BACKEND == "tensorflow":
        return not tf.executing_eagerly()
    return _BACKEND == "jax" and isinstance(value, jax.core.Tracer)


def _on_cpu() -> bool:
    # The devices that Keras lists are of the best kind there is.
    return str(keras.distribution.list_devices()[0]).startswith("cpu")
