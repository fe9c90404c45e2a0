"""The arguments of the constructor, checked, and the config that they make."""

import inspect
from typing import Any, Final, Literal

from indian_core.hyperparameters import DEFAULTS, check, check_choice, resolve_initial_speed
from indian_core.norms import NORMS
from indian_tf.arguments import checked, checked_floating_dtype, checked_learning_rate
from indian_tf.config import check_keys
from indian_tf.saved_exemptions import SavedExemptions

__all__ = ["Hyperparameters"]

_EUCLIDEAN: Final = {"norm": None, "norm_decay": 0.999, "norm_epsilon": 1e-8, "norm_dtype": None}
_OWN: Final = ("alpha", "beta", "initial_speed", *_EUCLIDEAN)


class Hyperparameters(SavedExemptions):
    """An INDIAN optimizer as its hyperparameters make it, with those of every Keras optimizer among them."""

    _fixed: tuple[str, ...] = ()
    """The hyperparameters that a subclass does not leave open."""

    def __init__(
        self,
        learning_rate: Any = DEFAULTS.learning_rate,
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
        name: str = "indian",
        **kwargs: Any,
    ) -> None:
        numbers = check(
            alpha=alpha, beta=beta, initial_speed=initial_speed, norm_decay=norm_decay, norm_epsilon=norm_epsilon
        )
        check_choice("norm", norm, NORMS, optional=True)
        norm_dtype = checked_floating_dtype("norm_dtype", norm_dtype)
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
        self.alpha, self.beta = numbers["alpha"], numbers["beta"]
        self.initial_speed = resolve_initial_speed(numbers["initial_speed"], norm)
        self.norm, self.norm_decay, self.norm_epsilon = norm, numbers["norm_decay"], numbers["norm_epsilon"]
        self.norm_dtype = norm_dtype

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        names = [name for name in _OWN if name not in self._fixed]
        return super().get_config() | {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer of a config; that of an empty one, which Keras makes of a name, has the defaults.

        A config without any key of the norm is from a time when there was the Euclidean alone, and gets that.

        Raises:
            ValueError: A key is missing or unknown.
        """
        if config:
            if not cls._fixed and config.keys().isdisjoint(_EUCLIDEAN):
                config = config | _EUCLIDEAN
            arguments = inspect.signature(Hyperparameters).parameters
            check_keys(cls.__name__, config, [name for name in arguments if name not in ("kwargs", *cls._fixed)])
        return super().from_config(config, custom_objects)
