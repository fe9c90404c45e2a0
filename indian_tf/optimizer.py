"""INDIAN as a Keras 3 optimizer, for every backend."""

from typing import Any

import keras
import numpy as np
from keras import ops

from indian_core.dynamics import StepCoefficients, pre_form
from indian_tf import in_place
from indian_tf.dtypes import at_least_float32
from indian_tf.gradient_shapes import CheckedGradientShapes
from indian_tf.hyperparameters import Hyperparameters
from indian_tf.phase import PhaseOnRequest
from indian_tf.torch_steps import TorchSteps

__all__ = ["INDIAN", "INNA"]


@keras.saving.register_keras_serializable(package="indian")
class INDIAN(Hyperparameters, CheckedGradientShapes, PhaseOnRequest, TorchSteps):
    r"""INDIAN, the inertial Newton algorithm: a heavy ball with Newton damping, at the cost of a gradient.

    With the velocity :math:`m`, gradient :math:`g`, step size :math:`\gamma` (``learning_rate``), viscous damping
    :math:`\alpha` and Newton damping :math:`\beta`, a step is

    .. math::
        \theta \leftarrow \theta + \gamma m - \gamma\beta g, \qquad
        m \leftarrow (1 - \alpha\gamma) m - \gamma (1 - \alpha\beta) g,

    which is equation (11) of Castera, Bolte, Févotte, Pauwels, "An Inertial Newton Algorithm for Deep Learning" (2019),
    rewritten (see `indian_core.dynamics`). The paper's successor calls the method INNA; so does the alias `INNA`.

    Each trainable variable has a velocity of its shape and dtype. One vector counts the steps of each, so that a
    variable which gets its first gradient late starts then.

    Args:
        learning_rate: Step size γ >= 0: a number, a `keras.optimizers.schedules.LearningRateSchedule` or a function
            without arguments that returns it.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: a variable's first step starts with velocity −s g. The paper uses 1.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖². It
            acts on the velocity too, unlike in Keras' own optimizers. None means 0. Variables can be exempted with
            `exclude_from_weight_decay`; the config holds which.
        clipnorm: If set, each gradient is clipped to this norm.
        clipvalue: If set, each entry of a gradient is clipped to this absolute value.
        global_clipnorm: If set, all gradients together are clipped to this norm.
        use_ema: Whether to keep an exponential moving average of the variables.
        ema_momentum: Momentum of that average, in [0, 1].
        ema_overwrite_frequency: Steps >= 1 after which the average overwrites the variables; None: at the end of
            training.
        loss_scale_factor: If set, the loss is scaled by it and the gradients by its inverse.
        gradient_accumulation_steps: If set, the gradients of so many steps, >= 2, are averaged into one update.
        name: Name of the optimizer.
        **kwargs: Passed to `keras.optimizers.Optimizer`.

    Raises:
        TypeError: An argument is of the wrong type, such as a hyperparameter that is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from indian_tf import INDIAN
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(optimizer=INDIAN(learning_rate=0.1, alpha=0.5, beta=0.1), loss="mse")
        >>> history = model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    """

    def build(self, variables: list[Any]) -> None:
        """Create the velocity of each variable, and the vector of their step counts."""
        if self.built:
            return
        super().build(variables)
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        # Assigned to as the count of iterations is: outside of the updates that a distribution strategy makes.
        self._steps = self.add_variable((len(variables),), dtype="int", aggregation="only_first_replica", name="steps")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one step of one variable."""
        index = self._get_variable_index(variable)
        # In bfloat16, 1 − αγ would be 1.
        dtype = at_least_float32(variable.dtype)
        m, g = (ops.cast(ops.convert_to_tensor(array), dtype) for array in (self._velocities[index], gradient))
        first, decays = ops.cast(ops.equal(self._steps[index], 0), dtype), self._decays(index)
        c = self._coefficients(ops.convert_to_tensor(learning_rate, dtype), first, decays)
        terms = []
        if decays:
            theta = ops.cast(ops.convert_to_tensor(variable), dtype)
            m = m + c.velocity_decay * theta
            terms = [(c.theta_decay, theta)]
        in_place.add(variable, *terms, (c.theta_velocity, m), (c.theta_gradient, g))
        rho = in_place.after(variable, c.velocity_velocity)
        self.assign(self._velocities[index], ops.cast(rho * m + c.velocity_gradient * g, variable.dtype))

    def _coefficients(self, learning_rate: Any, first: Any, decays: bool) -> StepCoefficients:
        """The coefficients of a step, the first of its variable or not, with weight decay or without."""
        return pre_form(
            learning_rate,
            self.alpha,
            self.beta,
            initial_speed=self.initial_speed,
            weight_decay=self.weight_decay if decays else 0.0,
            first=first,
        )

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """Take one step of the variables that have a gradient, and count it. Keras calls this for each update."""
        super()._backend_update_step(grads, trainable_variables, learning_rate)
        moved = np.zeros(len(self._velocities), dtype="int32")
        moved[[self._get_variable_index(variable) for variable in trainable_variables]] = 1
        self._steps.assign_add(ops.cast(moved, self._steps.dtype))

    def _decays(self, index: int) -> bool:
        # Not of the variable that a step is given: on TensorFlow that is TensorFlow's own, with a name of its own.
        return bool(self.weight_decay) and self._use_weight_decay(self._trainable_variables[index])

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Nothing: the step itself decays θ and the velocity together, where Keras would shrink θ alone."""


INNA = INDIAN

# Names for `compile`, beside the registered one, in the two spellings that the names of Keras' own classes have.
keras.saving.get_custom_objects().update(dict.fromkeys(("indian", "INDIAN", "inna", "INNA"), INDIAN))
