"""AdamW with damped momentum, with the signature of `keras.optimizers.AdamW`."""

import inspect
from typing import Any, Final, Literal

import keras

from indian_core.damping import default_damping_in_norm
from indian_core.hyperparameters import DECAY, NON_NEGATIVE, check_choice, check_flag, check_number
from indian_tf._arguments.constructor import check_names
from indian_tf._arguments.damping import checked_damping
from indian_tf._arguments.naming import unique_name
from indian_tf._compat import add_interleaved_variables, count_of_updates
from indian_tf._optimizer.family import FamilyOptimizer
from indian_tf._step.settings import DampingFormSettings

__all__ = ["DampedAdamW"]

_IS_NORM_LAST: Final = {"adam": True, "innaprop": False}
"""By the name of the order, whether A⁻¹ acts on the average."""


@keras.saving.register_keras_serializable(package="indian")
class DampedAdamW(FamilyOptimizer):
    r"""AdamW with one knob more, the damping of its momentum: INDIAN in damping form, see `indian_core.damping`.

    It has the signature of `keras.optimizers.AdamW`, with two arguments more. Its state is that of that optimizer, in
    order, shapes and meaning, so a run can change from one to the other, in both directions: by a file of Keras, by
    ``save_own_variables`` and ``load_own_variables``, or by assigning ``optimizer.variables`` one by one.

    ``damping=1`` takes the steps of AdamW under any schedule; ``damping=1 + beta_1`` differs from `optax.nadamw` in the
    bias correction alone. There is one difference from Keras' own: :math:`\epsilon` is added to the root *after* its
    bias is taken out, as in PyTorch and Optax, where Keras adds it before. So an ``epsilon`` of Keras' AdamW is one of
    ``epsilon / (1 - beta_2 ** k) ** 0.5`` here at step k, which for large k is the same.

    As in Keras' own, one count of steps, ``iterations``, serves all variables, also those whose first gradient comes
    late.

    Args:
        learning_rate: η >= 0: a number, a `keras.optimizers.schedules.LearningRateSchedule` or a function without
            arguments that returns it.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient and multiplied by the learning rate. Variables can
            be exempted with `exclude_from_weight_decay`; the config holds which.
        beta_1: μ in [0, 1), the momentum.
        beta_2: σ in [0, 1), of the running mean of squared gradients.
        epsilon: ε >= 0, added to the root.
        amsgrad: False; there is no such variant.
        clipnorm: As in `INDIAN`.
        clipvalue: As in `INDIAN`.
        global_clipnorm: As in `INDIAN`.
        use_ema: As in `INDIAN`.
        ema_momentum: As in `INDIAN`.
        ema_overwrite_frequency: As in `INDIAN`.
        loss_scale_factor: As in `INDIAN`.
        gradient_accumulation_steps: As in `INDIAN`.
        name: As in `INDIAN`.
        damping: r > 0. None: 1 + μ, Nesterov's; the config holds the number.
        order: ``"adam"``: the gradients are averaged, and the average is divided by the root. ``"innaprop"``: each
            gradient is divided by the root, and the quotients are averaged; a state of one order does not continue in
            the other.
        **kwargs: ``decay`` alone, which Keras ignores with a warning.

    Raises:
        TypeError: An argument is unknown, or of the wrong type.
        ValueError: An argument is out of its range, or ``amsgrad`` is True.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from indian_tf import DampedAdamW
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(optimizer=DampedAdamW(1e-3, damping=3.0), loss="mse")
        >>> history = model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    """

    _own = ("beta_1", "beta_2", "epsilon", "amsgrad", "damping", "order")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        *,
        damping: float | None = None,
        order: Literal["adam", "innaprop"] = "adam",
        **kwargs: Any,
    ) -> None:
        check_names(type(self).__name__, [each for each in kwargs if each != "decay"], _ARGUMENTS)
        check_flag("amsgrad", amsgrad)
        if amsgrad:
            raise ValueError(f"amsgrad must be False, since {type(self).__name__} has no such variant; got True")
        check_choice("order", order, tuple(_IS_NORM_LAST))
        weight_decay = check_number("weight_decay", weight_decay, NON_NEGATIVE)
        beta_1, beta_2 = check_number("beta_1", beta_1, DECAY), check_number("beta_2", beta_2, DECAY)
        epsilon = check_number("epsilon", epsilon, NON_NEGATIVE)
        damping = checked_damping(False, damping, beta_1, default_damping_in_norm)
        if name is None and type(self) is DampedAdamW:
            # Keras would make damped_adam_w of it.
            name = unique_name("damped_adamw")
        super().__init__(
            learning_rate,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self.damping = damping
        self.order = order

    def build(self, variables: list[Any]) -> None:
        """Create the average of the gradients of each variable and that of their squares, named as in Keras' Adam."""
        if self.built:
            return
        super().build(variables)
        self._velocities, self._accumulators = add_interleaved_variables(self, variables, ("momentum", "velocity"))

    def _hyperparameters(self) -> DampingFormSettings:
        """The hyperparameters of the step of a variable that decays."""
        return DampingFormSettings(
            self.beta_1,
            self.damping,
            float(self.weight_decay),
            norm="rmsprop",
            norm_decay=self.beta_2,
            norm_epsilon=self.epsilon,
            norm_last=_IS_NORM_LAST[self.order],
        )

    def _steps_of(self, index: int | None) -> Any:
        """The number of updates, for every variable."""
        del index
        return count_of_updates(self)


_ARGUMENTS = tuple(name for name in inspect.signature(DampedAdamW).parameters if name != "kwargs")

# As for INDIAN.
keras.saving.get_custom_objects().update(dict.fromkeys(("damped_adamw", "DampedAdamW"), DampedAdamW))
