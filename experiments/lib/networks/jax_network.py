"""Networks of `experiments.lib.networks.layers` and `experiments.lib.networks.character_gpt` in JAX."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from experiments.lib.networks import character_gpt
from experiments.lib.networks.character_gpt import CharacterGPT
from experiments.lib.networks.layers import Convolution, Dense, Flatten, MaxPool, MeanOverPixels, Network, Relu, refuse

__all__ = ["logits"]


def logits(network: Network | CharacterGPT, weights: Sequence[jax.Array], x: jax.Array) -> jax.Array:
    """What a network makes of images of shape (n, height, width, channels), or of texts of shape (n, context).

    Args:
        network: Its layers, or the sizes of a GPT.
        weights: In the order and shapes of its ``initial_weights``.
        x: Of the shape that the network takes.

    Example:
        >>> from experiments.lib.networks.architectures import convnet
        >>> network = convnet((8, 8, 1), classes=10)
        >>> logits(network, network.initial_weights(0), jnp.zeros((5, 8, 8, 1))).shape
        (5, 10)
    """
    if isinstance(network, CharacterGPT):
        return character_gpt.logits(network, weights, x, jnp, jax.nn)
    remaining = iter(weights)
    for layer in network.layers:
        match layer:
            case Convolution():
                x = _convolution(layer, x, next(remaining)) + next(remaining)
            case Dense():
                x = x @ next(remaining) + next(remaining)
            case Relu():
                x = jax.nn.relu(x)
            case MaxPool():
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            case Flatten():
                x = x.reshape(len(x), -1)
            case MeanOverPixels():
                x = x.mean(axis=(1, 2))
            case _:
                refuse(layer)
    return x


def _convolution(layer: Convolution, x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        jnp.asarray(kernel),
        window_strides=(layer.stride,) * 2,
        padding=((layer.padding(),) * 2,) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
