"""Networks of `experiments.networks.layers` in JAX."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from experiments.networks.layers import Convolution, Dense, Flatten, MaxPool, MeanOverPixels, Network, Relu

__all__ = ["logits"]


def logits(network: Network, weights: Sequence[jax.Array], images: jax.Array) -> jax.Array:
    """What a network makes of images of shape (n, height, width, channels).

    Args:
        network: Its layers.
        weights: In the order and shapes of `Network.initial_weights`.
        images: Of the shape that the network takes.

    Example:
        >>> from experiments.networks.architectures import convnet
        >>> network = convnet((8, 8, 1), classes=10)
        >>> logits(network, network.initial_weights(0), jnp.zeros((5, 8, 8, 1))).shape
        (5, 10)
    """
    remaining = iter(weights)
    x = images
    for layer in network.layers:
        match layer:
            case Convolution():
                x = _convolution(x, next(remaining)) + next(remaining)
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
    return x


def _convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, jnp.asarray(kernel), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
