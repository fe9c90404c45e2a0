"""The networks of the experiments in PyTorch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from experiments.digits import CLASSES, Weights

__all__ = ["DigitsNet", "NarrowNetworkInNetwork", "as_weights"]


class DigitsNet(nn.Module):
    """The network that `experiments.digits.Weights` describes.

    Args:
        weights: Its initial weights.
        dtype: Of its parameters and of the images it takes.

    Example:
        >>> from experiments import digits
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
    """A Network in Network (Lin, Chen, Yan, 2013) with few channels, for images of shape (n, 32, 32, 3).

    Three blocks of a convolution (5×5 with stride 2, then 5×5 with stride 2, then 3×3), each followed by two 1×1
    convolutions, all with ReLU, and the mean over the pixels as the class scores. No pooling layers between the blocks,
    no dropout, no normalization.

    Args:
        seed: Decides the initial weights: He normal, biases zero.
        width: Channels of the hidden layers.
    """

    def __init__(self, seed: int, width: int = 24) -> None:
        super().__init__()
        w = width
        shapes = [  # in, out, kernel, stride
            (3, w, 5, 2),
            (w, w, 1, 1),
            (w, w, 1, 1),
            (w, w, 5, 2),
            (w, w, 1, 1),
            (w, w, 1, 1),
            (w, w, 3, 1),
            (w, w, 1, 1),
            (w, CLASSES, 1, 1),
        ]
        layers = [nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2) for n_in, n_out, kernel, stride in shapes]
        self.layers = nn.ModuleList(layers)
        generator = torch.Generator().manual_seed(seed)
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, 10)."""
        x = images.permute(0, 3, 1, 2)
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x).mean(dim=(2, 3))


def as_weights(tensors: Sequence[Tensor]) -> Weights:
    """Tensors like the parameters of a `DigitsNet`, in their order, as arrays in the common layout.

    For parameters, gradients, or an optimizer's state.

    Example:
        >>> from experiments import digits
        >>> weights = digits.initial_weights(0)
        >>> same = as_weights(list(DigitsNet(weights, torch.float64).parameters()))
        >>> all(np.array_equal(a, b) for a, b in zip(same, weights))
        True
    """
    arrays = (tensor.detach().cpu().numpy() for tensor in tensors)
    return Weights(*(_from_torch_layout(array) for array in arrays))


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
