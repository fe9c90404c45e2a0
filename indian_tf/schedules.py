"""The step-size schedules of the core as Keras learning-rate schedules, serializable.

A constant step size is a number.
"""

from typing import Any

import keras
from keras import ops

from indian_core import schedules
from indian_core.hyperparameters import NON_NEGATIVE, check_number, check_whole_number
from indian_tf._step.dtypes import at_least_float32

__all__ = ["LogarithmicDecay", "PowerDecay"]


@keras.saving.register_keras_serializable(package="indian")
class PowerDecay(keras.optimizers.schedules.LearningRateSchedule):
    """γ_k = γ₀(k + 1)^(−q), after a linear warm-up if there is one: see `indian_core.schedules.PowerDecay`.

    Args:
        initial_learning_rate: γ₀ >= 0.
        power: q >= 0; 1/2 is the papers' protocol.
        warmup_steps: Steps of linear warm-up, an integer >= 0.
        name: Name of the schedule.

    Raises:
        TypeError, ValueError: An argument is not a number in its range.

    Example:
        >>> from indian_tf import PowerDecay
        >>> float(PowerDecay(1.0, power=1.0)(3))
        0.25
    """

    def __init__(
        self, initial_learning_rate: float, power: float = 0.5, warmup_steps: int = 0, name: str = "PowerDecay"
    ) -> None:
        super().__init__()
        check_whole_number("warmup_steps", warmup_steps)
        self.schedule = schedules.PowerDecay(
            check_number("initial_learning_rate", initial_learning_rate, NON_NEGATIVE),
            check_number("power", power, NON_NEGATIVE),
            int(warmup_steps),
        )
        self.name = name

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step."""
        return self.schedule(_as_float(step))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "initial_learning_rate": self.schedule.initial,
            "power": self.schedule.power,
            "warmup_steps": self.schedule.warmup_steps,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="indian")
class LogarithmicDecay(keras.optimizers.schedules.LearningRateSchedule):
    """γ_k = γ₀ / log(k + e)^p: see `indian_core.schedules.LogarithmicDecay`.

    Args:
        initial_learning_rate: γ₀ >= 0.
        power: p >= 0; Assumption 1 of the paper asks for p > 1.
        name: Name of the schedule.

    Raises:
        TypeError, ValueError: An argument is not a number in its range.

    Example:
        >>> from indian_tf import LogarithmicDecay
        >>> round(float(LogarithmicDecay(1.0)(0)), 6)
        1.0
    """

    def __init__(self, initial_learning_rate: float, power: float = 2.0, name: str = "LogarithmicDecay") -> None:
        super().__init__()
        self.schedule = schedules.LogarithmicDecay(
            check_number("initial_learning_rate", initial_learning_rate, NON_NEGATIVE),
            check_number("power", power, NON_NEGATIVE),
        )
        self.name = name

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step."""
        return self.schedule(_as_float(step), log=ops.log)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "initial_learning_rate": self.schedule.initial,
            "power": self.schedule.power,
            "name": self.name,
        }


def _as_float(step: Any) -> Any:
    """The step number in float32 or better: float16 ends at 65504, and bfloat16 counts to 256."""
    return ops.cast(step, at_least_float32(keras.backend.floatx()))
