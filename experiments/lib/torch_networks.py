"""The networks of the experiments in PyTorch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from experiments.lib.digits import CLASSES, Weights

__all__ = ["DigitsNet", "NarrowNetworkInNetwork", "Perceptron", "as_weights"]


class DigitsNet(nn.Module):
    """The network that `experiments.lib.digits.Weights` describes.

    Args:
        weights: Its initial weights.
        dtype: Of its parameters and of the images it takes.

    Example:
        >>> from experiments.lib import digits
        >>> network = DigitsNet(digits.initial_weights(0))
        >>> network(torch.zeros(5, 8, 8, 1)).shape
        torch.Size([5, 10])
    """

    def __init__(self, weights: Weights, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(1, 16, 3, padding=1, dtype=dtype)
        self.convolution_2 = nn.Conv2d(16, 32, 3, stride=2, padding=1, dtype=dtype)
        self.linear = nn.Linear(4 * 4 * 32, CLASSES, dtype=dtype)
        with torch.no_grad():
            for param, weight in zip(self.parameters(), weights, strict=True):
                param.copy_(torch.from_numpy(_to_torch_layout(weight)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, 10), of images of shape (n, 8, 8, 1)."""
        x = images.permute(0, 3, 1, 2)
        x = self.convolution_1(x).relu()
        x = self.convolution_2(x).relu()
        return self.linear(x.permute(0, 2, 3, 1).flatten(1))


class NarrowNetworkInNetwork(nn.Module):
    """A small Network in Network (Lin, Chen, Yan, 2013) for colour images of shape (n, height, width, 3).

    A 5×5 convolution with stride 2, a 3×3 one with stride 2, a 3×3 one, each followed by a 1×1 convolution; ReLU in
    between; the mean over the pixels of the last one's channels are the logits. No pooling between the blocks, no
    dropout, no normalization.

    Args:
        seed: Decides the initial weights: He normal, biases zero.
        width: Channels of the hidden layers.

    Example:
        >>> NarrowNetworkInNetwork(seed=0)(torch.zeros(5, 16, 16, 3)).shape
        torch.Size([5, 10])
    """

    def __init__(self, seed: int, width: int = 32) -> None:
        super().__init__()
        w = width
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, w, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(w, w, 1), nn.ReLU()),
            *(nn.Conv2d(w, w, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(w, w, 1), nn.ReLU()),
            *(nn.Conv2d(w, w, 3, padding=1), nn.ReLU(), nn.Conv2d(w, CLASSES, 1)),
        )
        _initialize(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, 10)."""
        return self.layers(images.permute(0, 3, 1, 2)).mean(dim=(2, 3))


class Perceptron(nn.Module):
    """A fully connected network with two hidden layers and ReLU, for images of any shape, flattened.

    Args:
        seed: Decides the initial weights: He normal, biases zero.
        pixels: Numbers per image.
        widths: Units of the hidden layers.

    Example:
        >>> Perceptron(seed=0, pixels=784)(torch.zeros(5, 28, 28)).shape
        torch.Size([5, 10])
    """

    def __init__(self, seed: int, pixels: int, widths: tuple[int, int] = (128, 64)) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(pixels, widths[0]), nn.ReLU(), nn.Linear(*widths), nn.ReLU(), nn.Linear(widths[1], CLASSES)),
        )
        _initialize(self, seed)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, 10)."""
        return self.layers(images.flatten(1))


def as_weights(tensors: Sequence[Tensor]) -> Weights:
    """Tensors like the parameters of a `DigitsNet`, in their order, as arrays in the common layout.

    For parameters, gradients, or an optimizer's state.

    Example:
        >>> from experiments.lib import digits
        >>> weights = digits.initial_weights(0)
        >>> same = as_weights(list(DigitsNet(weights, torch.float64).parameters()))
        >>> all(np.array_equal(a, b) for a, b in zip(same, weights))
        True
    """
    arrays = (tensor.detach().cpu().numpy() for tensor in tensors)
    return Weights(*(_from_torch_layout(array) for array in arrays))


def _initialize(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for param in network.parameters():
        if param.ndim > 1:
            nn.init.kaiming_normal_(param, nonlinearity="relu", generator=generator)
        else:
            nn.init.zeros_(param)


def _to_torch_layout(array: np.ndarray) -> np.ndarray:
    match array.ndim:
        case 4:
            return np.ascontiguousarray(array.transpose(3, 2, 0, 1))
        case 2:
            return np.ascontiguousarray(array.T)
    return array


def _from_torch_layout(array: np.ndarray) -> np.ndarray:
    match array.ndim:
        case 4:
            return array.transpose(2, 3, 1, 0)
        case 2:
            return array.T
    return array
