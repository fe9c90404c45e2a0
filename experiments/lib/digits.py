"""Real handwritten digits, a small network for them, and its initial weights: the same for every framework.

The images are scikit-learn's (1797 of 8×8 pixels; E. Alpaydin and C. Kaynak, UCI repository). Nothing here needs a deep
learning framework. Images are (height, width, channel); convolution kernels are (height, width, in, out) and the matrix
of a linear layer is (in, out), which is the layout of Keras and JAX.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "Digits", "Weights", "batches", "initial_weights", "load"]

CLASSES = 10

_TRAINING_IMAGES = 1437
_SPLIT_SEED = 0


class Digits(NamedTuple):
    """Images in [0, 1], float64, shape (n, 8, 8, 1), and their digits, int64, shape (n,)."""

    x_train: NDArray[np.float64]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float64]
    y_test: NDArray[np.int64]


class Weights(NamedTuple):
    """The network, in the order of its layers; `list(weights)` is what Keras' ``set_weights`` takes.

    Convolution 3×3 to 16 channels, padded by 1 on every side; ReLU; convolution 3×3 to 32 channels with stride 2,
    padded by 1 on every side (not "same", which Keras and JAX pad on one side only); ReLU; flatten in the order
    (height, width, channel); linear to 10 classes. 8×8 pixels become 8×8×16, then 4×4×32.
    """

    convolution_1_kernel: NDArray[np.float64]  # (3, 3, 1, 16)
    convolution_1_bias: NDArray[np.float64]  # (16,)
    convolution_2_kernel: NDArray[np.float64]  # (3, 3, 16, 32)
    convolution_2_bias: NDArray[np.float64]  # (32,)
    linear_kernel: NDArray[np.float64]  # (512, 10)
    linear_bias: NDArray[np.float64]  # (10,)


def load() -> Digits:
    """Load the digits, shuffled and split into 1437 training and 360 test images, always in the same way.

    Example:
        >>> load().x_train.shape
        (1437, 8, 8, 1)
    """
    # Not above: it takes a second, and not every module that needs this one loads the digits.
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(data.target))
    x = (data.images[order] / 16.0)[..., np.newaxis]
    y = data.target[order].astype(np.int64)
    n = _TRAINING_IMAGES
    return Digits(x[:n], y[:n], x[n:], y[n:])


def batches(n: int, batch_size: int, epochs: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Indices of one mini-batch after the other, reshuffled every epoch; what is left of an epoch is dropped.

    Args:
        n: Number of training examples.
        batch_size: Indices per batch, at most n.
        epochs: Number of passes.
        seed: Decides the order.

    Example:
        >>> [batch.shape for batch in batches(10, batch_size=4, epochs=2, seed=0)]
        [(4,), (4,), (4,), (4,)]
    """
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(n)
        for start in range(0, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def initial_weights(seed: int) -> Weights:
    """Random weights of the network: He normal before a ReLU, Glorot uniform at the end, biases zero.

    Example:
        >>> initial_weights(0).linear_kernel.shape
        (512, 10)
    """
    generator = np.random.default_rng(seed)

    def he_normal(*shape: int) -> NDArray[np.float64]:
        return generator.normal(0.0, np.sqrt(2.0 / np.prod(shape[:-1])), shape)

    def glorot_uniform(*shape: int) -> NDArray[np.float64]:
        limit = np.sqrt(6.0 / sum(shape))
        return generator.uniform(-limit, limit, shape)

    return Weights(
        he_normal(3, 3, 1, 16),
        np.zeros(16),
        he_normal(3, 3, 16, 32),
        np.zeros(32),
        glorot_uniform(4 * 4 * 32, CLASSES),
        np.zeros(CLASSES),
    )
