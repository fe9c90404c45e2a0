"""Updates of variables in place, as each backend does them with the fewest passes over memory."""

import math
from typing import Any

import keras
from keras import ops

__all__ = ["add", "assign", "one_after", "read"]

_BACKEND = keras.backend.backend()
if _BACKEND == "tensorflow":
    import tensorflow as tf
elif _BACKEND == "jax":
    import jax


def read(variable: Any, dtype: str) -> Any:
    """The value of a variable at this time, as a tensor of a dtype.

    Args:
        variable: A variable, on TensorFlow perhaps one of TensorFlow's own; or a tensor, there perhaps a sparse one.
        dtype: Of the tensor.
    """
    value = ops.convert_to_tensor(variable)
    if _BACKEND == "tensorflow":
        # Keras takes a variable for a tensor, which would be read where it is used.
        value = tf.convert_to_tensor(value)
    return ops.cast(value, dtype)


def assign(variable: Any, value: Any) -> None:
    """Assign a tensor of any floating dtype."""
    variable.assign(ops.cast(value, keras.backend.standardize_dtype(variable.dtype)))


def add(variable: Any, displacement: Any) -> None:
    """Add a tensor to a variable; one of 16 bits is rounded once, after a sum in the dtype of the tensor.

    Args:
        variable: A variable; on TensorFlow perhaps one of TensorFlow's own.
        displacement: A tensor of the dtype of the variable, or of one with more precision.
    """
    assign(variable, read(variable, keras.backend.standardize_dtype(displacement.dtype)) + displacement)


def one_after(variable: Any, dtype: str) -> Any:
    """In a step compiled for a CPU the number 1, as a value that depends on what was assigned to the variable.

    A step moves θ by the old velocity and then overwrites that. XLA knows no order but that of the data. Where no data
    says that θ comes first it copies the velocity, and the step takes more than twice the time. On other devices XLA
    does both updates in one kernel, which this would take apart.

    The post form, which moves θ by the new velocity, would need no such order. But near ρ = 1 − αγ = 0 it has to mix
    the old velocity into the gradient (docs/mathematics.md, "The case αγ = 1"), and where the learning rate is traced
    XLA has to be ready for that: it copies a buffer of the size of the parameters.

    Args:
        variable: A variable.
        dtype: Of the number.

    Returns:
        A tensor of no dimensions; None where the order needs no saying.
    """
    value = ops.convert_to_tensor(variable)
    if math.prod(value.shape) == 0 or not _is_recorded(value) or not _on_cpu():
        return None
    element = value[(0,) * len(value.shape)]
    # Always false; but XLA looks at the two parts one by one, and each of them is true of some numbers.
    never = ops.logical_and(ops.equal(element, element), ops.not_equal(element, element))
    return 1.0 + ops.cast(never, dtype)


def _is_recorded(value: Any) -> bool:
    """Whether the operations are recorded, perhaps for XLA, rather than run."""
    if _BACKEND == "tensorflow":
        return not tf.executing_eagerly()
    return _BACKEND == "jax" and isinstance(value, jax.core.Tracer)


def _on_cpu() -> bool:
    # The devices that Keras lists are of the best kind there is.
    return str(keras.distribution.list_devices()[0]).startswith("cpu")
