"""INDIAN as a Keras 3 optimizer, for every backend."""

import inspect
from typing import Any, Final, Literal

import keras
import numpy as np
from keras import ops

from indian_core.dynamics import phase_from_velocity
from indian_core.hyperparameters import DEFAULTS, check, check_choice, check_started, resolve_initial_speed
from indian_core.norms import NORMS, resolve_learning_rate
from indian_tf._arguments.constructor import check_names, checked_floating_dtype
from indian_tf._compat import add_optimizer_variables, known_variables
from indian_tf._optimizer.family import FamilyOptimizer
from indian_tf._step.dtypes import at_least_float32
from indian_tf._step.settings import INDIANSettings

__all__ = ["INDIAN", "INNA"]

_ACCUMULATOR: Final = "norm_accumulator"


@keras.saving.register_keras_serializable(package="indian")
class INDIAN(FamilyOptimizer):
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
            without arguments that returns it. None: 0.1 without a norm, 0.003 in that of RMSProp and 0.01 in that of
            AdaGrad; the config holds what that is.
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
            their sum.
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
        name: Name of the optimizer; None: that of the class, with a number behind it from the second one on.
        **kwargs: ``decay`` alone, which Keras ignores with a warning.

    Raises:
        TypeError: An argument is unknown, or of the wrong type, such as a hyperparameter that is not a number.
        ValueError: An argument is out of its range.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from indian_tf import INDIAN
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(optimizer=INDIAN(learning_rate=0.1, alpha=0.5, beta=0.1), loss="mse")
        >>> history = model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    """

    _own = ("alpha", "beta", "initial_speed", "norm", "norm_decay", "norm_epsilon", "norm_dtype")

    def __init__(
        self,
        learning_rate: Any = None,
        alpha: float = DEFAULTS.alpha,
        beta: float = DEFAULTS.beta,
        *,
        initial_speed: float | Literal["auto"] | None = DEFAULTS.initial_speed,
        weight_decay: float | None = DEFAULTS.weight_decay,
        norm: str | None = DEFAULTS.norm,
        norm_decay: float = DEFAULTS.norm_decay,
        norm_epsilon: float = DEFAULTS.norm_epsilon,
        norm_dtype: str | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        arguments = inspect.signature(INDIAN).parameters
        known = [argument for argument in arguments if argument not in ("kwargs", *self._fixed)]
        # Keras still takes that one, and says in a warning that it ignores it.
        check_names(type(self).__name__, [argument for argument in kwargs if argument != "decay"], known)
        own = check(
            alpha=alpha, beta=beta, initial_speed=initial_speed, norm_decay=norm_decay, norm_epsilon=norm_epsilon
        )
        check_choice("norm", norm, NORMS, optional=True)
        norm_dtype = checked_floating_dtype("norm_dtype", norm_dtype)
        super().__init__(
            resolve_learning_rate(learning_rate, norm),
            name=name,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            **kwargs,
        )
        self.alpha = own["alpha"]
        self.beta = own["beta"]
        self.initial_speed = resolve_initial_speed(own["initial_speed"], norm)
        self.norm = norm
        self.norm_decay = own["norm_decay"]
        self.norm_epsilon = own["norm_epsilon"]
        self.norm_dtype = norm_dtype

    def build(self, variables: list[Any]) -> None:
        """Create the velocity of each variable, in a norm its accumulator, and the vector of their step counts."""
        if self.built:
            return
        super().build(variables)
        self._velocities = add_optimizer_variables(self, variables, "velocity")
        self._accumulators = [None] * len(variables)
        if self.norm is not None:
            self._accumulators = add_optimizer_variables(self, variables, _ACCUMULATOR)
        # Assigned to as the count of iterations is: outside of the updates that a distribution strategy makes.
        self._steps = self.add_variable((len(variables),), dtype="int", aggregation="only_first_replica", name="steps")

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """Add a variable to the state; see `keras.optimizers.Optimizer`."""
        # Keras creates the state of a variable in the dtype of the variable.
        if self.norm_dtype is not None and (kwargs.get("name") or "").endswith(f"_{_ACCUMULATOR}"):
            kwargs["dtype"] = self.norm_dtype
        return super().add_variable(*args, **kwargs)

    def _hyperparameters(self) -> INDIANSettings:
        """The hyperparameters of the step of a variable that decays."""
        return INDIANSettings(
            self.alpha,
            self.beta,
            self.initial_speed,
            float(self.weight_decay or 0.0),
            self.norm,
            self.norm_decay,
            self.norm_epsilon,
        )

    def _steps_of(self, index: int | None) -> Any:
        """The steps that a variable has taken; for None a vector of those of all variables."""
        return self._steps if index is None else self._steps[index]

    def _count(self, indices: list[int]) -> None:
        """Count one step of each of these variables."""
        moved = np.zeros(len(self._velocities), dtype="int32")
        moved[indices] = 1
        self._steps.assign_add(ops.cast(moved, self._steps.dtype))

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
        index = next((i for i, known in enumerate(known_variables(self)) if known is variable), None)
        if index is None:
            raise ValueError(f"variable must be one that the optimizer was built with, got {variable!r}")
        check_started("variable", int(ops.convert_to_numpy(self._steps)[index]))
        dtype, velocity = at_least_float32(variable.dtype), self._velocities[index]
        phase = phase_from_velocity(ops.cast(variable, dtype), ops.cast(velocity, dtype), self.alpha, self.beta)
        return ops.stop_gradient(ops.cast(phase, variable.dtype))


INNA = INDIAN

# Names for `compile`, beside the registered one, in the two spellings that the names of Keras' own classes have.
keras.saving.get_custom_objects().update(dict.fromkeys(("indian", "INDIAN", "inna", "INNA"), INDIAN))
