"""How steps are taken on the PyTorch backend: of all variables in a few calls, and in place."""

import functools
from typing import Any

import keras
from keras import ops

__all__ = ["TorchSteps"]

_BACKEND = keras.backend.backend()
if _BACKEND == "torch":
    import torch

    from indian_tf import foreach


class TorchSteps(keras.optimizers.Optimizer):
    """An INDIAN optimizer that on PyTorch does what `update_step` does of many variables in one call.

    There each call takes its time. On the other backends everything is as in Keras.
    """

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """Take one step of the variables that have a gradient."""
        if _BACKEND != "torch":
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        steps = self._steps.value.tolist()
        coefficients = functools.cache(functools.partial(self._coefficients, float(learning_rate)))
        indices = [self._get_variable_index(variable) for variable in trainable_variables]
        foreach.step_together(
            (
                coefficients(steps[index], self._decays(index)),
                variable.value,
                self._velocities[index].value,
                None if self._accumulators[index] is None else self._accumulators[index].value,
                ops.convert_to_tensor(gradient),
            )
            for gradient, variable, index in zip(grads, trainable_variables, indices, strict=True)
        )

    def stateless_apply(self, optimizer_variables: Any, grads: Any, trainable_variables: Any) -> Any:
        """Take one step without changing anything; see `keras.optimizers.Optimizer`. Not on TensorFlow."""
        if _BACKEND != "torch":
            return super().stateless_apply(optimizer_variables, grads, trainable_variables)
        # No step is a part of a graph, which would grow from step to step.
        with torch.no_grad():
            # There the step is one in place, of whatever the variables are mapped to.
            optimizer_variables = [ops.copy(tensor) for tensor in optimizer_variables]
            trainable_variables = [ops.copy(tensor) for tensor in trainable_variables]
            return super().stateless_apply(optimizer_variables, grads, trainable_variables)
