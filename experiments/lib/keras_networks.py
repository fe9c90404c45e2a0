"""The networks of the experiments in Keras."""

import keras
from keras import layers

from experiments.lib.digits import CLASSES, Weights

__all__ = ["digits_network"]


def digits_network(weights: Weights) -> keras.Model:
    """The network that `experiments.lib.digits.Weights` describes, in the dtype of `keras.config.floatx`.

    Args:
        weights: Its initial weights.

    Returns:
        A model from images of shape (n, 8, 8, 1) to logits of shape (n, 10).

    Example:
        >>> from experiments.lib import digits
        >>> digits_network(digits.initial_weights(0)).count_params()
        9930
    """
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            # Not padding="same", which pads a convolution with stride 2 on one side only.
            layers.ZeroPadding2D(1),
            layers.Conv2D(16, 3, activation="relu"),
            layers.ZeroPadding2D(1),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ]
    )
    network.set_weights(list(weights))
    return network
