"""INNAprop, which is INDIAN in the norm of RMSProp."""

from typing import Any

import keras

from indian_core.hyperparameters import INNAPROP_DEFAULTS
from indian_tf._arguments.naming import unique_name
from indian_tf.optimizer import INDIAN

__all__ = ["INNAprop"]


@keras.saving.register_keras_serializable(package="indian")
class INNAprop(INDIAN):
    """INNAprop: `INDIAN` in the norm of RMSProp, with the defaults that its authors published.

    It starts from rest, that is with ``initial_speed`` None. Source: Bolte, Boustany, Pauwels, Purica, "A
    second-order-like optimizer with adaptive gradient scaling for deep learning" (2024).

    Args:
        learning_rate: Step size γ >= 0, as in `INDIAN`. It may reach and pass β, where the published rule ends.
        alpha: Viscous damping α >= 0.
        beta: Newton damping β > 0.
        weight_decay: Decay rate λ >= 0, as in `INDIAN`; None means 0.
        norm_decay: σ in [0, 1), of the running mean of squared gradients.
        norm_epsilon: ε >= 0.
        name: Name of the optimizer; None: ``"innaprop"``, ``"innaprop_1"`` and so on.
        **kwargs: What `INDIAN` takes besides: norm_dtype, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
            ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps.

    Raises:
        TypeError, ValueError: As by `INDIAN`.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from indian_tf import INNAprop
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(optimizer=INNAprop(learning_rate=1e-3), loss="mse")
        >>> history = model.fit(np.ones((8, 4)), np.ones((8, 1)), verbose=0)
    """

    _fixed = ("norm", "initial_speed")

    def __init__(
        self,
        learning_rate: Any = INNAPROP_DEFAULTS.learning_rate,
        alpha: float = INNAPROP_DEFAULTS.alpha,
        beta: float = INNAPROP_DEFAULTS.beta,
        *,
        weight_decay: float | None = INNAPROP_DEFAULTS.weight_decay,
        norm_decay: float = INNAPROP_DEFAULTS.norm_decay,
        norm_epsilon: float = INNAPROP_DEFAULTS.norm_epsilon,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        for fixed in self._fixed:
            if fixed in kwargs:
                value = getattr(INNAPROP_DEFAULTS, fixed)
                raise TypeError(f"{type(self).__name__} has no {fixed}: it sets it itself, to {value!r}")
        if name is None and type(self) is INNAprop:
            # Keras would make inn_aprop of it.
            name = unique_name("innaprop")
        super().__init__(
            learning_rate,
            alpha,
            beta,
            initial_speed=INNAPROP_DEFAULTS.initial_speed,
            weight_decay=weight_decay,
            norm=INNAPROP_DEFAULTS.norm,
            norm_decay=norm_decay,
            norm_epsilon=norm_epsilon,
            name=name,
            **kwargs,
        )


# As for INDIAN.
keras.saving.get_custom_objects().update(dict.fromkeys(("innaprop", "INNAprop"), INNAprop))
