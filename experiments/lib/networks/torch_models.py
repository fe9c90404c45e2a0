"""The networks of the trust-region experiments, in PyTorch: a tanh perceptron, a residual network, autoencoders.

Images come in as (n, height, width, channels). Initial weights are PyTorch's own, drawn from the seed.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["MODELS", "ConvolutionalAutoencoder", "DenseAutoencoder", "ResidualNetwork", "build", "tanh_perceptron"]


def tanh_perceptron(input_shape: tuple[int, int, int], classes: int, widths: list[int]) -> nn.Sequential:
    """Dense layers with tanh between them."""
    return nn.Sequential(nn.Flatten(), *_dense([_pixels(input_shape), *widths, classes], nn.Tanh))


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which is a 1×1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            _normalization(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            _normalization(outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResidualNetwork(nn.Module):
    """A residual network of the kind of ResNet18 with group instead of batch normalization.

    The loss of an example then does not depend on the others in its batch: the trust region compares losses, and the
    network has one training loss.

    Args:
        input_shape: Height, width, channels.
        classes: Number of logits.
        widths: Channels of each stage; every stage but the first halves height and width.
        blocks: Residual blocks in a stage.
        stride: Of the first convolution.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, widths: list[int], blocks: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(input_shape[-1], widths[0], 3, stride, padding=1, bias=False)
        layers: list[nn.Module] = [stem, _normalization(widths[0]), nn.ReLU()]
        inputs = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                layers.append(_Block(inputs, width, 2 if stage and not block else 1))
                inputs = width
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, classes)."""
        return self.layers(images.permute(0, 3, 1, 2))


class DenseAutoencoder(nn.Module):
    """Dense layers down to a code and, mirrored, up again; sigmoids between all but around the code.

    Args:
        input_shape: Height, width, channels.
        widths: Of the encoder's layers; the last is the code.
    """

    def __init__(self, input_shape: tuple[int, int, int], widths: list[int]) -> None:
        super().__init__()
        sizes = [_pixels(input_shape), *widths]
        self.layers = nn.Sequential(nn.Flatten(), *_dense(sizes, nn.Sigmoid), *_dense(sizes[::-1], nn.Sigmoid))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels, in the shape of the images."""
        return self.layers(images).reshape(images.shape)


class ConvolutionalAutoencoder(nn.Module):
    """Convolutions of 4×4 with stride 2 and, mirrored, their transposes; ReLU between them.

    Args:
        input_shape: Height, width, channels.
        widths: Channels after each convolution.
    """

    def __init__(self, input_shape: tuple[int, int, int], widths: list[int]) -> None:
        super().__init__()
        sizes = [input_shape[-1], *widths]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, padding=1), nn.ReLU()]
        for inputs, outputs in zip(sizes[:0:-1], sizes[-2::-1], strict=True):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the pixels, in the shape of the images."""
        return self.layers(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def build(network: Mapping[str, Any], input_shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    """The network that a configuration names.

    Args:
        network: ``{"name": ..., **sizes}``, the name one of `MODELS`.
        input_shape: Height, width, channels.
        classes: Number of labels, of which an autoencoder takes no notice.
        seed: Of the initial weights.

    Example:
        >>> network = build({"name": "residual_network", "widths": [8, 16]}, (8, 8, 1), 10, seed=0)
        >>> network(torch.zeros(5, 8, 8, 1)).shape
        torch.Size([5, 10])
    """
    sizes = {key: value for key, value in network.items() if key != "name"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = MODELS[network["name"]]
        if network["name"].endswith("autoencoder"):
            return made(input_shape, **sizes)
        return made(input_shape, classes, **sizes)


MODELS: Mapping[str, Any] = {
    "tanh_perceptron": tanh_perceptron,
    "residual_network": ResidualNetwork,
    "dense_autoencoder": DenseAutoencoder,
    "convolutional_autoencoder": ConvolutionalAutoencoder,
}
"""By the name that the configuration of a run has."""


def _dense(sizes: list[int], activation: type[nn.Module]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return layers[:-1]


def _normalization(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, channels // 4), channels)


def _pixels(input_shape: tuple[int, int, int]) -> int:
    height, width, channels = input_shape
    return height * width * channels
