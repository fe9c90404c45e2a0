"""A network as a list of layers, and its initial weights; nothing here needs a deep learning framework.

Images are (height, width, channel); kernels of convolutions are (height, width, in, out) and matrices (in, out), which
is the layout of Keras and JAX. Every layer with weights has a kernel and a bias, in this order.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Convolution", "Dense", "Flatten", "Layer", "MaxPool", "MeanOverPixels", "Network", "Relu", "Weights"]

Weights = list[NDArray[np.float64]]
"""Kernel, bias, kernel, bias and so on."""


class Convolution(NamedTuple):
    """A convolution with an odd kernel and stride 1, padded so that height and width stay."""

    channels: int
    size: int


class Dense(NamedTuple):
    """A linear layer."""

    units: int


class Relu(NamedTuple):
    """max(x, 0)."""


class MaxPool(NamedTuple):
    """The largest of every 2×2 pixels; an odd row or column at the end is dropped."""


class Flatten(NamedTuple):
    """One vector in the order height, width, channel."""


class MeanOverPixels(NamedTuple):
    """The mean of every channel."""


Layer = Convolution | Dense | Relu | MaxPool | Flatten | MeanOverPixels


class Network(NamedTuple):
    """Layers, one after the other, and the shape of an input: (height, width, channels)."""

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    def kernel_shapes(self) -> list[tuple[int, ...]]:
        """Of the layers with weights, in order; the bias has as many numbers as the last axis."""
        shapes: list[tuple[int, ...]] = []
        shape: Sequence[int] = self.input_shape
        for layer in self.layers:
            match layer:
                case Convolution(channels, size):
                    shapes.append((size, size, shape[-1], channels))
                    shape = (*shape[:2], channels)
                case Dense(units):
                    shapes.append((shape[-1], units))
                    shape = (units,)
                case MaxPool():
                    shape = (shape[0] // 2, shape[1] // 2, shape[2])
                case Flatten():
                    shape = (int(np.prod(shape)),)
                case MeanOverPixels():
                    shape = shape[-1:]
        return shapes

    def initial_weights(self, seed: int) -> Weights:
        """He normal kernels, of half the variance in the last layer, which no ReLU follows; biases zero.

        Example:
            >>> network = Network((2, 2, 1), (Flatten(), Dense(3)))
            >>> [weight.shape for weight in network.initial_weights(0)]
            [(4, 3), (3,)]
        """
        generator = np.random.default_rng(seed)
        weights: Weights = []
        shapes = self.kernel_shapes()
        for i, shape in enumerate(shapes, start=1):
            gain = 1.0 if i == len(shapes) else 2.0
            weights.append(generator.normal(0.0, np.sqrt(gain / np.prod(shape[:-1])), shape))
            weights.append(np.zeros(shape[-1]))
        return weights

    def number_of_parameters(self) -> int:
        """Kernels and biases."""
        return sum(int(np.prod(shape)) + shape[-1] for shape in self.kernel_shapes())
