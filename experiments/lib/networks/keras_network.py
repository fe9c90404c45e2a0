"""Networks of `experiments.lib.networks.layers` and `experiments.lib.networks.character_gpt` in Keras."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.lib.networks import character_gpt
from experiments.lib.networks.character_gpt import CharacterGPT
from experiments.lib.networks.layers import (
    Convolution,
    Dense,
    Flatten,
    Layer,
    MaxPool,
    MeanOverPixels,
    Network,
    Relu,
    refuse,
)

__all__ = ["keras_network"]


def keras_network(network: Network | CharacterGPT, weights: Sequence[NDArray[np.floating]]) -> keras.Model:
    """A model to logits from images of shape (n, height, width, channels), or from texts of shape (n, context).

    Args:
        network: Its layers, or the sizes of a GPT. It has the dtype of `keras.config.floatx`.
        weights: As its ``initial_weights`` gives them.

    Example:
        >>> from experiments.lib.networks.architectures import convnet
        >>> network = convnet((8, 8, 1), classes=10)
        >>> keras_network(network, network.initial_weights(0)).output_shape
        (None, 10)
    """
    if isinstance(network, CharacterGPT):
        model = keras.Sequential([keras.Input((network.context,), dtype="int32"), _GPT(network, weights)])
    else:
        layers = itertools.chain.from_iterable(map(_layers, network.layers))
        model = keras.Sequential([keras.Input(network.input_shape), *layers])
    model.set_weights(list(weights))
    return model


def _layers(layer: Layer) -> list[keras.Layer]:
    match layer:
        case Convolution(channels, size, 1):
            return [keras.layers.Conv2D(channels, size, padding="same")]
        case Convolution(channels, size, stride):
            return [keras.layers.ZeroPadding2D(layer.padding()), keras.layers.Conv2D(channels, size, stride)]
        case Dense(units):
            return [keras.layers.Dense(units)]
        case Relu():
            return [keras.layers.ReLU()]
        case MaxPool():
            return [keras.layers.MaxPooling2D(2)]
        case Flatten():
            return [keras.layers.Flatten()]
        case MeanOverPixels():
            return [keras.layers.GlobalAveragePooling2D()]
        case _:
            return refuse(layer)


class _GPT(keras.layers.Layer):
    """All of a GPT as one layer."""

    def __init__(self, gpt: CharacterGPT, weights: Sequence[NDArray[np.floating]]) -> None:
        super().__init__()
        self._gpt = gpt
        self._ordered = [self.add_weight(shape=weight.shape) for weight in weights]

    def call(self, text: Any) -> Any:
        return character_gpt.logits(self._gpt, self._ordered, text, keras.ops, keras.ops)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape, self._gpt.vocabulary)
