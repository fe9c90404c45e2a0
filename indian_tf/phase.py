"""The phase of the papers, which the optimizer does not keep."""

from typing import Any

import keras
from keras import ops

from indian_core.dynamics import phase_from_velocity
from indian_core.hyperparameters import check_started
from indian_tf.dtypes import at_least_float32

__all__ = ["PhaseOnRequest"]


class PhaseOnRequest(keras.optimizers.Optimizer):
    """An INDIAN optimizer that computes the phase of a variable when asked."""

    def phase(self, variable: Any) -> Any:
        """The phase variable ψ of a trainable variable, a tensor of its shape and dtype.

        Raises:
            ValueError: The variable has not taken a step (ψ₀ depends on its first gradient), or is not one that the
                optimizer was built with.

        Example:
            >>> import keras
            >>> from indian_tf import INDIAN
            >>> variable = keras.Variable([1.0])
            >>> optimizer = INDIAN(learning_rate=0.5, alpha=1.0, beta=0.5)
            >>> optimizer.apply([keras.ops.convert_to_tensor([2.0])], [variable])
            >>> keras.ops.convert_to_numpy(optimizer.phase(variable)).tolist()
            [0.5]
        """
        index = next((i for i, known in enumerate(self._trainable_variables) if known is variable), None)
        if index is None:
            raise ValueError(f"variable must be one that the optimizer was built with, got {variable!r}")
        check_started("variable", int(ops.convert_to_numpy(self._steps)[index]))
        dtype, velocity = at_least_float32(variable.dtype), self._velocities[index]
        phase = phase_from_velocity(ops.cast(variable, dtype), ops.cast(velocity, dtype), self.alpha, self.beta)
        return ops.stop_gradient(ops.cast(phase, variable.dtype))
