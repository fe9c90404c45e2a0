"""The arguments of the constructor, checked, and the config that they make."""

import inspect
from typing import Any

from indian_core.hyperparameters import DEFAULTS, check
from indian_tf.arguments import checked, checked_learning_rate
from indian_tf.config import check_keys
from indian_tf.saved_exemptions import SavedExemptions

__all__ = ["Hyperparameters"]


class Hyperparameters(SavedExemptions):
    """An INDIAN optimizer as its hyperparameters make it, with those of every Keras optimizer among them."""

    def __init__(
        self,
        learning_rate: Any = DEFAULTS.learning_rate,
        alpha: float = DEFAULTS.alpha,
        beta: float = DEFAULTS.beta,
        *,
        initial_speed: float | None = DEFAULTS.initial_speed,
        weight_decay: float | None = DEFAULTS.weight_decay,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "indian",
        **kwargs: Any,
    ) -> None:
        numbers = check(alpha=alpha, beta=beta, initial_speed=initial_speed)
        shared = checked(
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        super().__init__(learning_rate=checked_learning_rate(learning_rate), name=name, **shared, **kwargs)
        self.alpha = numbers["alpha"]
        self.beta = numbers["beta"]
        self.initial_speed = numbers["initial_speed"]

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {
            "alpha": self.alpha,
            "beta": self.beta,
            "initial_speed": self.initial_speed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer of a config; that of an empty one, which Keras makes of a name, has the defaults.

        Raises:
            ValueError: A key is missing or unknown.
        """
        if config:
            arguments = inspect.signature(Hyperparameters).parameters
            check_keys(cls.__name__, config, [name for name in arguments if name != "kwargs"])
        return super().from_config(config, custom_objects)
