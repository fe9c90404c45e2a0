"""The descent in Keras on TensorFlow."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.papers.nonsmooth_valley.loss import START, loss
from indian_tf import INDIAN

__all__ = ["trajectory"]


def trajectory(step_size: float, hyperparameters: dict[str, Any], steps: int) -> np.ndarray:
    """All points, of shape (steps + 1, 2)."""
    if keras.config.backend() != "tensorflow":
        raise RuntimeError("Keras must run on TensorFlow here: set KERAS_BACKEND=tensorflow")
    floatx = keras.config.floatx()
    # The learning rate is kept in it.
    keras.config.set_floatx("float64")
    try:
        theta = keras.Variable(np.array(START), dtype="float64")
        optimizer = INDIAN(step_size, **hyperparameters)
        optimizer.build([theta])

        @tf.function
        def descent() -> Any:
            points = tf.TensorArray(tf.float64, steps)
            for k in tf.range(steps):
                with tf.GradientTape() as tape:
                    value = loss(theta.value)
                optimizer.apply([tape.gradient(value, theta.value)], [theta])
                points = points.write(k, theta.value)
            return points.stack()

        return np.concatenate([[START], descent().numpy()])
    finally:
        keras.config.set_floatx(floatx)
