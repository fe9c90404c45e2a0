"""The networks of the experiments in JAX."""

import jax
import jax.numpy as jnp

from experiments.lib.digits import Weights

__all__ = ["digits_logits"]


def digits_logits(weights: Weights, images: jax.typing.ArrayLike) -> jax.Array:
    """The network that `experiments.lib.digits.Weights` describes.

    Args:
        weights: Its weights, as JAX arrays.
        images: Shape (n, 8, 8, 1).

    Returns:
        Logits, shape (n, 10).

    Example:
        >>> from experiments.lib import digits
        >>> digits_logits(digits.initial_weights(0), jax.numpy.zeros((5, 8, 8, 1))).shape
        (5, 10)
    """
    x = jax.nn.relu(_convolution(images, weights.convolution_1_kernel, stride=1) + weights.convolution_1_bias)
    x = jax.nn.relu(_convolution(x, weights.convolution_2_kernel, stride=2) + weights.convolution_2_bias)
    return x.reshape(len(x), -1) @ weights.linear_kernel + weights.linear_bias


def _convolution(images: jax.typing.ArrayLike, kernel: jax.typing.ArrayLike, stride: int) -> jax.Array:
    return jax.lax.conv_general_dilated(
        jnp.asarray(images),
        jnp.asarray(kernel),
        window_strides=(stride, stride),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
