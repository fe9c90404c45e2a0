"""Gradients of another shape than their variables, refused before anything has changed."""

from typing import Any

import keras

from indian_core.hyperparameters import check_shape

__all__ = ["CheckedGradientShapes"]


class CheckedGradientShapes(keras.optimizers.Optimizer):
    """An optimizer that takes no gradient of another shape than its variable's."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Take one step of each variable, as every Keras optimizer does.

        Raises:
            ValueError: A gradient is not of its variable's shape.
        """
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        for gradient, variable in zip(grads, variables, strict=False):
            _check_shape(gradient, variable)
        super().apply(grads, None if trainable_variables is None else variables)


def _check_shape(gradient: Any, variable: Any) -> None:
    """Raise an error if it is known that a gradient has not its variable's shape: arithmetic would broadcast it."""
    shape = getattr(gradient, "shape", None)
    if shape is None or getattr(shape, "rank", 0) is None or shape == variable.shape:
        return
    # A size that TensorFlow learns only when the graph runs is None here.
    check_shape(f"the gradient of {getattr(variable, 'path', variable.name)}", shape, variable.shape)
