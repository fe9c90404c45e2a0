"""INDIAN as a Keras 3 optimizer, for every backend."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from indian_core.dynamics import pre_form
from indian_core.norms import norm_coefficients
from indian_tf import recorded_step
from indian_tf.coefficients import Coefficients, CoefficientsOfAll
from indian_tf.dtypes import at_least_float32
from indian_tf.gradient_shapes import CheckedGradientShapes
from indian_tf.hyperparameters import Hyperparameters
from indian_tf.phase import PhaseOnRequest
from indian_tf.state import State
from indian_tf.torch_steps import TorchSteps

__all__ = ["INDIAN", "INNA"]

_BACKEND = keras.backend.backend()
if _BACKEND == "tensorflow":
    from indian_tf import tensorflow_step


@keras.saving.register_keras_serializable(package="indian")
class INDIAN(Hyperparameters, CheckedGradientShapes, PhaseOnRequest, State, TorchSteps):
    r"""INDIAN, the inertial Newton algorithm: a heavy ball with Newton damping, at the cost of a gradient.

    With the velocity :math:`m`, gradient :math:`g`, step size :math:`\gamma` (``learning_rate``), viscous damping
    :math:`\alpha` and Newton damping :math:`\beta`, a step is

    .. math::
        \theta \leftarrow \theta + \gamma m - \gamma\beta g, \qquad
        m \leftarrow (1 - \alpha\gamma) m - \gamma (1 - \alpha\beta) g,

    which is equation (11) of Castera, Bolte, Févotte, Pauwels, "An Inertial Newton Algorithm for Deep Learning" (2019),
    rewritten (see `indian_core.dynamics`). The paper's successor calls the method INNA; so does the alias `INNA`.

    In the norm of RMSProp or AdaGrad, :math:`A^{-1} g` takes the place of :math:`g`, with the diagonal :math:`A` of
    `indian_core.norms`; in that of RMSProp this is INNAprop, see `INNAprop`.

    Each trainable variable has a velocity of its shape and dtype and, in a norm, an accumulator of its shape. One
    vector counts the steps of each, so that a variable which gets its first gradient late starts then.

    Args:
        learning_rate: Step size γ >= 0: a number, a `keras.optimizers.schedules.LearningRateSchedule` or a function
            without arguments that returns it.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        initial_speed: s: a variable's first step starts with velocity −s g. The paper uses 1. None: β, so that the part
            of it that the step remembers starts at 0. ``"auto"``: 1 without a norm, None in one; the config holds what
            that is.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient; to first order in γ the penalty (λ/2β)‖θ‖². It
            acts on the velocity too, unlike in Keras' own optimizers. None means 0. Variables can be exempted with
            `exclude_from_weight_decay`; the config holds which.
        norm: The norm in which the steps are taken: None, the Euclidean; ``"rmsprop"``, with A = √(v/(1 − σᵏ)) + ε in
            the k-th step of a variable, where v is a running mean of g²; or ``"adagrad"``, with A = √v + ε, where v is
            their sum. The default learning rate is for no norm; with ``"rmsprop"`` give 0.001 to 0.01, or take
            `INNAprop`.
        norm_decay: σ in [0, 1), of RMSProp.
        norm_epsilon: ε >= 0, of RMSProp and AdaGrad.
        norm_dtype: Floating dtype of the accumulator v; None: the variable's own, as in Keras' Adam. In 16 bits v
            forgets small changes, and in float16 small gradients.
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

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take one step of one variable, given the coefficients of all for ``learning_rate``."""
        index = self._get_variable_index(variable)
        velocity, accumulator = self._velocities[index], self._accumulators[index]
        kept = [array for array in (variable, velocity, accumulator) if array is not None]
        # In bfloat16, 1 − αγ would be 1.
        dtype = at_least_float32(*(array.dtype for array in kept))
        coefficients_by = functools.partial(learning_rate, index=index, dtype=dtype, decays=self._decays(index))
        if _BACKEND == "tensorflow" and tensorflow_step.is_right(*kept):
            rates = coefficients_by(self._rates)
            tensorflow_step.take(variable, velocity, accumulator, ops.cast(gradient, dtype), rates)
        else:
            coefficients = coefficients_by(self._coefficients)
            recorded_step.take(variable, velocity, accumulator, gradient, coefficients, dtype)

    def _coefficients(self, learning_rate: Any, steps: Any, decays: bool) -> Coefficients:
        """The coefficients for variables that have taken so many steps, with weight decay or without."""
        step = pre_form(
            learning_rate,
            self.alpha,
            self.beta,
            initial_speed=self.initial_speed,
            weight_decay=self.weight_decay if decays else 0.0,
            first=_is_zero(steps),
        )
        return Coefficients(step, norm_coefficients(self.norm, steps + 1, self.norm_decay, self.norm_epsilon, ops))

    def _rates(self, learning_rate: Any, steps: Any, decays: bool) -> Any:
        """The same for the operations of TensorFlow."""
        weight_decay = float(self.weight_decay) if decays else 0.0
        return tensorflow_step.rates(self._coefficients(learning_rate, steps, decays), weight_decay)

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        """Take one step of the variables that have a gradient, and count it. Keras calls this for each update."""
        if _BACKEND != "torch":
            # Keras hands on to each `update_step` what it is given for the learning rate.
            learning_rate = CoefficientsOfAll(learning_rate, self._steps)
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


def _is_zero(steps: Any) -> Any:
    """Whether a number is 0, as a bool, or each entry of a tensor, as the number 0 or 1 in its dtype."""
    return steps == 0 if isinstance(steps, int) else ops.cast(ops.equal(steps, 0), steps.dtype)
