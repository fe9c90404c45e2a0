"""Networks of `experiments.networks.layers` in Keras."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.networks.layers import Convolution, Dense, Flatten, Layer, MaxPool, MeanOverPixels, Network, Relu

__all__ = ["keras_network"]


def keras_network(network: Network, weights: Sequence[NDArray[np.floating]]) -> keras.Model:
    """A model from images of shape (n, height, width, channels) to logits, in the dtype of `keras.config.floatx`.

    Args:
        network: Its layers.
        weights: As `Network.initial_weights` gives them.

    Example:
        >>> from experiments.networks.architectures import convnet
        >>> network = convnet((8, 8, 1), classes=10)
        >>> keras_network(network, network.initial_weights(0)).output_shape
        (None, 10)
    """
    model = keras.Sequential([keras.Input(network.input_shape), *map(_layer, network.layers)])
    model.set_weights(list(weights))
    return model


def _layer(layer: Layer) -> keras.Layer:
    match layer:
        case Convolution(channels, size):
            return keras.layers.Conv2D(channels, size, padding="same")
        case Dense(units):
            return keras.layers.Dense(units)
        case Relu():
            return keras.layers.ReLU()
        case MaxPool():
            return keras.layers.MaxPooling2D(2)
        case Flatten():
            return keras.layers.Flatten()
        case MeanOverPixels():
            return keras.layers.GlobalAveragePooling2D()
    raise TypeError(f"unknown layer {layer!r}")
