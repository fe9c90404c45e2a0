"""How steps are taken on the PyTorch backend: of all variables in a few calls, and in place."""

from collections import defaultdict
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
        counts = self._steps.value.tolist()
        groups = defaultdict(list)
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            index = self._get_variable_index(variable)
            velocity, accumulator = self._velocities[index], self._accumulators[index]
            g = gradient if isinstance(gradient, torch.Tensor) else ops.convert_to_tensor(gradient)
            tensors = [variable.value, g, velocity.value]
            if accumulator is not None:
                tensors.append(accumulator.value)
            groups[counts[index], self._decays(index), *[tensor.dtype for tensor in tensors]].append(tensors)
        for (count, decays, *_), rows in groups.items():
            coefficients = self._coefficients(float(learning_rate), count, decays)
            foreach.step_together(coefficients, tuple(map(list, zip(*rows, strict=True))))

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
