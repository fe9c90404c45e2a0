"""SGD with damped momentum, with the signature of `keras.optimizers.SGD`."""

import inspect
from typing import Any

import keras
from keras import ops

from indian_core.damping import default_damping
from indian_core.hyperparameters import MOMENTUM, POSITIVE, check_number
from indian_tf._arguments.constructor import check_names
from indian_tf._arguments.damping import checked_damping
from indian_tf._compat import add_optimizer_variables, count_of_updates, known_variables
from indian_tf._optimizer.family import FamilyOptimizer
from indian_tf._saved.state import check_fit
from indian_tf._step.dtypes import at_least_float32
from indian_tf._step.settings import DampingFormSettings

__all__ = ["DampedSGD"]


@keras.saving.register_keras_serializable(package="indian")
class DampedSGD(FamilyOptimizer):
    r"""SGD with one knob more, the damping of its momentum: INDIAN in damping form, see `indian_core.damping`.

    It has the signature of `keras.optimizers.SGD`, with one argument more. With learning rate :math:`\eta`, momentum
    :math:`\mu` and damping :math:`r`, a step is

    .. math::
        b \leftarrow \mu b + g, \qquad
        \theta \leftarrow (1 - \eta\lambda)\,\theta - \eta\,((1 - (1 - \mu) r)\, b_{\text{old}} + r g).

    ``damping=1`` is SGD with momentum, and ``damping=1 + momentum`` SGD with Nesterov's, as `torch.optim.SGD` and
    `optax.sgd` write them, under any schedule. A larger damping weights the newest gradient more.

    Keras' own SGD keeps :math:`-\eta b` in place of b, each gradient with the learning rate of its step. So it takes
    the same steps while the learning rate is constant; after a change of the learning rate, it moves on at the old one
    for a while. The state has the order and the shapes of Keras' own, but b in the place of :math:`-\eta b`. A saved
    state does not tell which of the two it holds. To change over from one optimizer to the other, use `copy_from_sgd`
    and `copy_to_sgd`.

    Args:
        learning_rate: η >= 0: a number, a `keras.optimizers.schedules.LearningRateSchedule` or a function without
            arguments that returns it.
        momentum: μ in [0, 1]. With 0 and a damping other than 1, b is the last gradient.
        nesterov: True is a damping of 1 + μ. False: ``damping`` decides.
        weight_decay: Decay rate λ >= 0, decoupled from the gradient and multiplied by the learning rate, as in Keras'
            own optimizers; in PyTorch's SGD it is a part of the gradient. None means 0. Variables can be exempted with
            `exclude_from_weight_decay`; the config holds which.
        clipnorm: As in `INDIAN`.
        clipvalue: As in `INDIAN`.
        global_clipnorm: As in `INDIAN`.
        use_ema: As in `INDIAN`.
        ema_momentum: As in `INDIAN`.
        ema_overwrite_frequency: As in `INDIAN`.
        loss_scale_factor: As in `INDIAN`.
        gradient_accumulation_steps: As in `INDIAN`.
        name: As in `INDIAN`.
        damping: r > 0. None: Nesterov's 1 + μ up to μ = 0.9, then 0.19/(1 − μ); the config holds the number.
        **kwargs: ``decay`` alone, which Keras ignores with a warning.

    Raises:
        TypeError: An argument is unknown, or of the wrong type.
        ValueError: An argument is out of its range, or ``damping`` is given beside ``nesterov=True``.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from indian_tf import DampedSGD
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(optimizer=DampedSGD(0.01, momentum=0.9, damping=3.0), loss="mse")
        >>> history = model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    """

    _own = ("momentum", "nesterov", "damping")

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
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
        **kwargs: Any,
    ) -> None:
        check_names(type(self).__name__, [each for each in kwargs if each != "decay"], _ARGUMENTS)
        momentum = check_number("momentum", momentum, MOMENTUM)
        damping = checked_damping(nesterov, damping, momentum, default_damping)
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
        self.momentum = momentum
        self.nesterov = nesterov
        self.damping = damping

    def build(self, variables: list[Any]) -> None:
        """Create the buffer of each variable; none if the steps are those of gradient descent without momentum."""
        if self.built:
            return
        super().build(variables)
        has_buffer = self.momentum != 0 or self.damping != 1
        none = [None] * len(variables)
        self._velocities = add_optimizer_variables(self, variables, "momentum") if has_buffer else none
        self._accumulators = none

    def _hyperparameters(self) -> DampingFormSettings:
        """The hyperparameters of the step of a variable that decays."""
        return DampingFormSettings(self.momentum, self.damping, float(self.weight_decay or 0.0), gain=1.0)

    def _steps_of(self, index: int | None) -> Any:
        """The number of updates, for every variable; the steps do not depend on it."""
        del index
        return count_of_updates(self)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, and the exemptions from weight decay if there are any."""
        return super().get_config() | ({"damping": None} if self.nesterov else {})

    def copy_from_sgd(self, optimizer: keras.optimizers.SGD) -> None:
        """Continue from the state of Keras' own SGD; it stays as it is.

        All of the state is copied: the count of iterations, a learning rate that is a number, the averages and
        accumulated gradients if there are any, and the buffers, divided by minus the learning rate that the other has
        at this moment. At a constant learning rate that is exact; at another one, the next step is that of the other.
        If this optimizer is not built, it is built with the variables of the other.

        Args:
            optimizer: Built for the same variables, with the same options of the base class.

        Raises:
            TypeError: It is no `keras.optimizers.SGD`.
            ValueError: It is not built, its learning rate is 0, or its state does not fit, for instance because one
                of the two has no momentum. No value has changed then.

        Example:
            >>> import keras
            >>> from indian_tf import DampedSGD
            >>> variable, gradient = keras.Variable([1.0]), keras.ops.convert_to_tensor([2.0])
            >>> sgd = keras.optimizers.SGD(0.25, momentum=0.5)
            >>> sgd.apply([gradient], [variable])
            >>> damped = DampedSGD(0.25, momentum=0.5, damping=2.0)
            >>> damped.copy_from_sgd(sgd)
            >>> damped.apply([gradient], [variable])
            >>> int(damped.iterations.numpy())
            2
        """
        _check_is_sgd(optimizer)
        if not optimizer.built:
            raise ValueError("optimizer must be built, so that it has a state to continue from; got one that is not")
        factor = -1 / _learning_rate(optimizer)
        if not self.built:
            self.build(known_variables(optimizer))
        _copy(optimizer, self, optimizer.momentums, factor)

    def copy_to_sgd(self, optimizer: keras.optimizers.SGD) -> None:
        """Make Keras' own SGD continue from the state of this optimizer: the inverse of `copy_from_sgd`.

        The buffers are multiplied by minus the learning rate that this optimizer has at this moment.

        Args:
            optimizer: As of `copy_from_sgd`; if it is not built, it is built with the variables of this one.

        Raises:
            TypeError, ValueError: As by `copy_from_sgd`, with the parts of the two exchanged.
        """
        _check_is_sgd(optimizer)
        if not self.built:
            raise ValueError(f"{type(self).__name__} must be built, so that it has a state to hand over")
        factor = -_learning_rate(self)
        if not optimizer.built:
            optimizer.build(known_variables(self))
        _copy(self, optimizer, self._velocities, factor)


def _check_is_sgd(optimizer: Any) -> None:
    if not isinstance(optimizer, keras.optimizers.SGD):
        raise TypeError(f"optimizer must be a keras.optimizers.SGD, got {type(optimizer).__name__}")


def _learning_rate(optimizer: Any) -> float:
    return check_number(
        f"the learning_rate of {optimizer.name}", ops.convert_to_numpy(optimizer.learning_rate), POSITIVE
    )


def _copy(source: Any, target: Any, buffers: list[Any], factor: float) -> None:
    """Assign the state of an optimizer to another one, the buffers multiplied by a factor; a buffer may be None."""
    check_fit(target, source.variables)
    scaled = {id(buffer) for buffer in buffers if buffer is not None}
    for variable, other in zip(target.variables, source.variables, strict=True):
        value = ops.convert_to_tensor(other)
        if id(other) in scaled:
            value = factor * ops.cast(value, at_least_float32(other.dtype))
        variable.assign(ops.cast(value, variable.dtype))


_ARGUMENTS = tuple(name for name in inspect.signature(DampedSGD).parameters if name != "kwargs")

# As for INDIAN.
keras.saving.get_custom_objects().update(dict.fromkeys(("damped_sgd", "DampedSGD"), DampedSGD))
