"""Checks of gradients, before a step has changed anything."""

from typing import Any

import keras
from keras import ops

from indian_core.hyperparameters import check_shape

__all__ = ["checked_gradient"]


def checked_gradient(gradient: Any, variable: Any) -> Any:
    """A gradient as a tensor, if it is one of its variable: real, and of its shape. Arithmetic would broadcast it.

    Args:
        gradient: A tensor, also a sparse one of TensorFlow, or what can be converted to a tensor.
        variable: A variable of Keras, or on TensorFlow of TensorFlow.

    Raises:
        TypeError: The gradient is no tensor of real numbers.
        ValueError: The shapes differ.

    Example:
        >>> checked_gradient([1.0], keras.Variable([1.0, 2.0], name="weights"))
        Traceback (most recent call last):
        ...
        ValueError: the gradient of weights must be of shape (2,), got an array of shape (1,)
    """
    name = f"the gradient of {getattr(variable, 'path', variable.name)}"
    tensor = gradient
    if not ops.is_tensor(gradient):
        try:
            tensor = ops.convert_to_tensor(gradient)
        except (TypeError, ValueError, RuntimeError) as error:
            of = type(gradient).__name__
            raise TypeError(f"{name} must be a tensor of real numbers, got an object of type {of}") from error
    if not _is_real(tensor):
        raise TypeError(f"{name} must be a tensor of real numbers, got one of dtype {tensor.dtype}")
    # TensorFlow may learn the number of dimensions, or a size, only when the graph runs.
    if getattr(tensor.shape, "rank", 0) is not None and tensor.shape != variable.shape:
        check_shape(name, tensor.shape, variable.shape)
    return tensor


def _is_real(tensor: Any) -> bool:
    try:
        dtype = keras.backend.standardize_dtype(tensor.dtype)
    except (TypeError, ValueError):
        return False
    return "float" in dtype or "int" in dtype
