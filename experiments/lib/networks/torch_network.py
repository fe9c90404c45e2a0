"""Networks of `experiments.lib.networks.layers` in PyTorch."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.lib.networks.layers import Convolution, Dense, Flatten, MaxPool, MeanOverPixels, Network, Relu

__all__ = ["TorchNetwork"]


class TorchNetwork(nn.Module):
    """Takes images of shape (n, height, width, channels) and returns logits.

    Args:
        network: Its layers.
        weights: As `Network.initial_weights` gives them.
        dtype: Of the parameters.

    Example:
        >>> from experiments.lib.networks.architectures import convnet
        >>> network = convnet((8, 8, 1), classes=10)
        >>> TorchNetwork(network, network.initial_weights(0))(torch.zeros(5, 8, 8, 1)).shape
        torch.Size([5, 10])
    """

    def __init__(
        self, network: Network, weights: Sequence[NDArray[np.floating]], dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        kernels = iter(network.kernel_shapes())
        self.layers = nn.Sequential()
        for layer in network.layers:
            match layer:
                case Convolution(channels, size):
                    inputs = next(kernels)[-2]
                    self.layers.append(nn.Conv2d(inputs, channels, size, padding=size // 2, dtype=dtype))
                case Dense(units):
                    self.layers.append(nn.Linear(next(kernels)[-2], units, dtype=dtype))
                case Relu():
                    self.layers.append(nn.ReLU())
                case MaxPool():
                    self.layers.append(nn.MaxPool2d(2))
                case Flatten():
                    self.layers.append(_FlattenPixels())
                case MeanOverPixels():
                    self.layers.append(_MeanOverPixels())
        with torch.no_grad():
            for param, weight in zip(self.parameters(), weights, strict=True):
                param.copy_(torch.from_numpy(_to_torch_layout(weight)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, classes)."""
        return self.layers(images.permute(0, 3, 1, 2))

    def weights(self) -> list[NDArray[np.floating]]:
        """The parameters, as `Network.initial_weights` orders them."""
        arrays = (param.detach().cpu().numpy() for param in self.parameters())
        return [array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T for array in arrays]


class _FlattenPixels(nn.Module):
    """In the order of the other frameworks; PyTorch's own has the channels first."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class _MeanOverPixels(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def _to_torch_layout(array: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T)
