"""A Keras model that ``fit`` trains with the trust region."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from indian_core.trust_region.curvatures import CURVATURES
from indian_tf._compat import (
    Functional,
    are_functional_arguments,
    build_symbolically,
    loss_of_model,
    loss_tracker,
    random_states,
)
from indian_tf.trust_region import TrustRegion

__all__ = ["TrustRegionModel"]

REPORTED = ("radius", "ratio", "accepted", "iterations", "backpropagations")
"""What of each step's report goes to the progress bar and the history, beside the loss and the metrics."""


@keras.saving.register_keras_serializable(package="indian")
class TrustRegionModel(keras.Model):
    """A `keras.Model`, functional or subclassed, whose ``fit`` takes steps of `TrustRegion`.

    It is used as `keras.Model` is; ``compile`` takes a `TrustRegion`. Each batch is one step. Beside the loss and the
    metrics, ``fit`` logs the radius, the ratio of real to promised decrease, whether the step was accepted, the
    iterations of its subproblem, and the backpropagations spent so far. The loss and the metrics are those before the
    step, and the report is that of the last batch: in the history, of the last one of the epoch. With
    ``curvature="gauss_newton"`` the curvature is that of the loss as a function of the model's outputs, and
    regularization losses of layers have a gradient, but no curvature.

    The trial point is evaluated with the random numbers of the batch's first evaluation, so that dropout is the same.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from indian_tf import TrustRegion, TrustRegionModel
        >>> inputs = keras.Input((4,))
        >>> model = TrustRegionModel(inputs, keras.layers.Dense(1)(inputs))
        >>> model.compile(optimizer=TrustRegion(radius=1.0, norm=None), loss="mse")
        >>> history = model.fit(np.ones((8, 4)), np.ones((8, 1)), batch_size=8, epochs=3, verbose=0)
        >>> sorted(history.history)
        ['accepted', 'backpropagations', 'iterations', 'loss', 'radius', 'ratio']
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Choose the class of a functional model where inputs and outputs are given."""
        # Keras would make this class itself a functional one, for good, and no subclass could then have its own call.
        functional = cls is TrustRegionModel and are_functional_arguments(args, kwargs)
        return super().__new__(FunctionalTrustRegionModel if functional else cls, *args, **kwargs)

    def compile(self, optimizer: Any, *args: Any, jit_compile: bool = False, **kwargs: Any) -> None:
        """Set optimizer, loss and metrics; see `keras.Model.compile`.

        Args:
            optimizer: A `TrustRegion`.
            *args: As in Keras.
            jit_compile: Whether XLA compiles the step. That takes a minute or so, since the step holds a loop with
                second derivatives; so it is not the default, as it is in Keras.
            **kwargs: As in Keras.

        Raises:
            TypeError: ``optimizer`` is not a `TrustRegion`.
            ValueError: The model has the policy ``"mixed_float16"``, in which Keras would scale the loss.
        """
        if not isinstance(optimizer, TrustRegion):
            raise TypeError(f"optimizer must be an indian_tf.TrustRegion, got {optimizer!r}")
        if self.dtype_policy.name == "mixed_float16" and kwargs.get("auto_scale_loss", True):
            raise ValueError(
                "the dtype policy must not be 'mixed_float16', in which Keras scales the loss; "
                "take 'mixed_bfloat16', or pass auto_scale_loss=False"
            )
        super().compile(optimizer, *args, jit_compile=jit_compile, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was; Keras leaves a ``compile`` of its own to the model."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Take one step on a batch."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:
            # Of a subclassed model Keras creates the variables as it is called, which here needs them first.
            build_symbolically(self, data)
        evaluations: list[tuple[Any, Any]] = []
        start_over = self._same_random_numbers()

        def loss_fn() -> Any:
            start_over()
            y_pred = self(x, training=True)
            loss = loss_of_model(self, x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            evaluations.append((loss, y_pred))
            return (loss, y_pred) if CURVATURES[self.optimizer.settings.curvature].needs_output else loss

        report = self.optimizer.minimize(loss_fn, self.trainable_variables)
        loss, y_pred = evaluations[0]
        loss_tracker(self).update_state(loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0])
        metrics = self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
        dtype = report.radius.dtype
        return metrics | {name: tf.cast(getattr(report, name), dtype) for name in REPORTED}

    def _same_random_numbers(self) -> Callable[[], None]:
        """A function that puts the states of all random generators of the model back to what they are now."""
        states = random_states(self)
        values = [tf.identity(state.value) for state in states]

        def start_over() -> None:
            for state, value in zip(states, values, strict=True):
                state.assign(value)

        return start_over


@keras.saving.register_keras_serializable(package="indian")
class FunctionalTrustRegionModel(TrustRegionModel, Functional):
    """A `TrustRegionModel` made of its inputs and outputs, as Keras has a class of its own for such a `keras.Model`."""
