"""The networks of the experiments: lists of layers for images, and the GPT for texts."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from experiments.lib.networks.character_gpt import CharacterGPT, character_gpt
from experiments.lib.networks.layers import Convolution, Dense, Flatten, Layer, MaxPool, MeanOverPixels, Network, Relu

__all__ = [
    "ARCHITECTURES",
    "convnet",
    "describe",
    "network_in_network",
    "perceptron",
    "strided_convnet",
    "strided_network_in_network",
]


def network_in_network(input_shape: tuple[int, ...], classes: int, width: int = 192) -> Network:
    """Network in Network (Lin, Chen, Yan, 2013): about 1 M parameters at width 192.

    Three blocks of a convolution (5×5, 5×5, 3×3) and two 1×1 ones; 2×2 pooling between them; the mean over the pixels
    of the last channels, one a class, are the logits. As there: the first block is narrower after its first layer.
    Unlike there: no dropout, 2×2 pooling where they have 3×3 with stride 2, and no ReLU on the logits.

    Example:
        >>> network_in_network((32, 32, 3), classes=10).number_of_parameters()
        966986
    """
    second, third = width * 5 // 6, width // 2

    def block(size: int, *channels: int) -> list[Layer]:
        layers: list[Layer] = []
        for i, number in enumerate(channels):
            layers += [Convolution(number, 1 if i else size), Relu()]
        return layers

    layers = [
        *(*block(5, width, second, third), MaxPool()),
        *(*block(5, width, width, width), MaxPool()),
        *(*block(3, width, width), Convolution(classes, 1), MeanOverPixels()),
    ]
    return Network(tuple(input_shape), tuple(layers))


def convnet(input_shape: tuple[int, ...], classes: int, widths: tuple[int, ...] = (16, 32, 64)) -> Network:
    """3×3 convolutions, each with ReLU and 2×2 pooling, and a linear layer.

    Example:
        >>> convnet((32, 32, 3), classes=10).number_of_parameters()
        33834
    """
    layers: list[Layer] = []
    for width in widths:
        layers += [Convolution(width, 3), Relu(), MaxPool()]
    return Network(tuple(input_shape), (*layers, Flatten(), Dense(classes)))


def strided_convnet(input_shape: tuple[int, ...], classes: int, widths: tuple[int, ...] = (16, 32)) -> Network:
    """3×3 convolutions with ReLU, of stride 2 after the first, and a linear layer, which starts as Glorot uniform.

    On the digits it is the network of the demo: 8×8 pixels become 8×8×16, then 4×4×32.

    Example:
        >>> strided_convnet((8, 8, 1), classes=10).number_of_parameters()
        9930
    """
    layers: list[Layer] = []
    for i, width in enumerate(widths):
        layers += [Convolution(width, 3, stride=2 if i else 1), Relu()]
    return Network(tuple(input_shape), (*layers, Flatten(), Dense(classes)), output_kernel="glorot_uniform")


def strided_network_in_network(input_shape: tuple[int, ...], classes: int, width: int = 32) -> Network:
    """A small Network in Network, which convolutions of stride 2 make smaller still in place of pooling.

    A 5×5 convolution with stride 2, a 3×3 one with stride 2, a 3×3 one, each followed by a 1×1 convolution; ReLU in
    between; the mean over the pixels of the last channels, one a class, are the logits.

    Example:
        >>> strided_network_in_network((16, 16, 3), classes=10).number_of_parameters()
        23370
    """
    layers = (
        *(Convolution(width, 5, stride=2), Relu(), Convolution(width, 1), Relu()),
        *(Convolution(width, 3, stride=2), Relu(), Convolution(width, 1), Relu()),
        *(Convolution(width, 3), Relu(), Convolution(classes, 1), MeanOverPixels()),
    )
    return Network(tuple(input_shape), layers)


def perceptron(input_shape: tuple[int, ...], classes: int, widths: tuple[int, ...] = (128, 64)) -> Network:
    """A multilayer perceptron with ReLU.

    Example:
        >>> perceptron((28, 28, 1), classes=10).number_of_parameters()
        109386
    """
    layers: list[Layer] = [Flatten()]
    for width in widths:
        layers += [Dense(width), Relu()]
    return Network(tuple(input_shape), (*layers, Dense(classes)))


ARCHITECTURES: Final[dict[str, Callable[..., Network | CharacterGPT]]] = {
    "network_in_network": network_in_network,
    "convnet": convnet,
    "strided_convnet": strided_convnet,
    "strided_network_in_network": strided_network_in_network,
    "perceptron": perceptron,
    "character_gpt": character_gpt,
}
"""By the name that the configuration of a run has."""


def describe(configuration: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> Network | CharacterGPT:
    """The network that the configuration of a run names: ``{"name": ..., **sizes}``.

    Example:
        >>> len(describe({"name": "perceptron", "widths": [5]}, (2, 2, 1), 10).initial_weights(0))
        4
    """
    sizes = {key: value for key, value in configuration.items() if key != "name"}
    return ARCHITECTURES[configuration["name"]](input_shape, classes, **sizes)
