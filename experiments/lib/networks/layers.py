"""A network as a list of layers, and its initial weights; nothing here needs a deep learning framework.

Images are (height, width, channel); kernels of convolutions are (height, width, in, out) and matrices (in, out), which
is the layout of Keras and JAX. Every layer with weights has a kernel and a bias, in this order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "KERNELS",
    "Convolution",
    "Dense",
    "Flatten",
    "Layer",
    "MaxPool",
    "MeanOverPixels",
    "Network",
    "Relu",
    "Weights",
    "refuse",
]

Weights = list[NDArray[np.float64]]
"""Kernel, bias, kernel, bias and so on."""


class Convolution(NamedTuple):
    """A convolution with an odd kernel, padded by half of it on every side: stride 1 keeps height and width."""

    channels: int
    size: int
    stride: int = 1

    def padding(self) -> int:
        """Zeros on every side; Keras and JAX pad a convolution of stride 2 on one side only, if left to themselves."""
        return self.size // 2


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


def refuse(layer: NoReturn) -> NoReturn:
    """Refuse what is no layer; a type checker finds a kind of layer for which a program comes to this."""
    raise AssertionError(f"there is no such layer: {layer!r}")


def _normal(generator: np.random.Generator, shape: tuple[int, ...], gain: float) -> NDArray[np.float64]:
    return generator.normal(0.0, np.sqrt(gain / np.prod(shape[:-1])), shape)


def _glorot_uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    limit = np.sqrt(6.0 / (np.prod(shape[:-2]) * sum(shape[-2:])))
    return generator.uniform(-limit, limit, shape)


KERNELS: Final[Mapping[str, Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]]] = {
    "he_normal": lambda generator, shape: _normal(generator, shape, gain=2.0),
    "normal": lambda generator, shape: _normal(generator, shape, gain=1.0),
    "glorot_uniform": _glorot_uniform,
}
"""Distributions of initial kernels, by name."""


class Network(NamedTuple):
    """Layers, one after the other.

    Attributes:
        input_shape: Of one input: (height, width, channels).
        layers: The layers.
        output_kernel: Distribution of the last kernel, which no ReLU follows: a key of `KERNELS`; "normal" has half
            the variance of "he_normal".
        hidden_kernels: Distribution of the others: a key of `KERNELS`.
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    output_kernel: str = "normal"
    hidden_kernels: str = "he_normal"

    def kernel_shapes(self) -> list[tuple[int, ...]]:
        """Of the layers with weights, in order; the bias has as many numbers as the last axis."""
        shapes: list[tuple[int, ...]] = []
        shape: Sequence[int] = self.input_shape
        for layer in self.layers:
            match layer:
                case Convolution(channels, size, stride):
                    shapes.append((size, size, shape[-1], channels))
                    shape = (*((pixels - 1) // stride + 1 for pixels in shape[:2]), channels)
                case Dense(units):
                    shapes.append((shape[-1], units))
                    shape = (units,)
                case Relu():
                    pass
                case MaxPool():
                    shape = (shape[0] // 2, shape[1] // 2, shape[2])
                case Flatten():
                    shape = (int(np.prod(shape)),)
                case MeanOverPixels():
                    shape = shape[-1:]
                case _:
                    refuse(layer)
        return shapes

    def initial_weights(self, seed: int) -> Weights:
        """Kernels as ``hidden_kernels`` and ``output_kernel`` say; biases zero.

        Example:
            >>> network = Network((2, 2, 1), (Flatten(), Dense(3)))
            >>> [weight.shape for weight in network.initial_weights(0)]
            [(4, 3), (3,)]
        """
        generator = np.random.default_rng(seed)
        *hidden, output = self.kernel_shapes()
        kernels = [KERNELS[self.hidden_kernels](generator, shape) for shape in hidden]
        kernels.append(KERNELS[self.output_kernel](generator, output))
        return [weight for kernel in kernels for weight in (kernel, np.zeros(kernel.shape[-1]))]

    def number_of_parameters(self) -> int:
        """Kernels and biases."""
        return sum(int(np.prod(shape)) + shape[-1] for shape in self.kernel_shapes())
