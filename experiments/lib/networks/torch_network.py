"""Networks of `experiments.lib.networks.layers` in PyTorch."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.lib.networks.layers import Convolution, Dense, Flatten, MaxPool, MeanOverPixels, Network, Relu, refuse

__all__ = ["TorchNetwork", "torch_initial_weights"]


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
                case Convolution(channels, size, stride):
                    inputs, padding = next(kernels)[-2], layer.padding()
                    self.layers.append(nn.Conv2d(inputs, channels, size, stride, padding, dtype=dtype))
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
                case _:
                    refuse(layer)
        with torch.no_grad():
            for param, weight in zip(self.parameters(), weights, strict=True):
                param.copy_(torch.from_numpy(_to_torch_layout(weight)))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, classes)."""
        return self.layers(images.permute(0, 3, 1, 2))

    def weights(self) -> list[NDArray[np.floating]]:
        """The parameters, as `Network.initial_weights` orders them."""
        return [_from_torch_layout(param.detach().cpu().numpy()) for param in self.parameters()]


def torch_initial_weights(network: Network, seed: int) -> list[NDArray[np.floating]]:
    """He normal kernels from PyTorch's generator, in float32, also for the last layer; biases zero.

    Some studies in PyTorch alone started here, and their published runs are true only for these weights. Everything
    that is compared between frameworks starts from `Network.initial_weights`.

    Example:
        >>> network = Network((2, 2, 1), (Flatten(), Dense(3)))
        >>> [weight.shape for weight in torch_initial_weights(network, seed=0)]
        [(4, 3), (3,)]
    """
    generator = torch.Generator().manual_seed(seed)
    weights: list[NDArray[np.floating]] = []
    for shape in network.kernel_shapes():
        kernel = torch.empty(*shape[::-1][:2], *shape[:-2])
        nn.init.kaiming_normal_(kernel, nonlinearity="relu", generator=generator)
        weights += [_from_torch_layout(kernel.numpy()), np.zeros(shape[-1], np.float32)]
    return weights


class _FlattenPixels(nn.Module):
    """In the order of the other frameworks; PyTorch's own has the channels first."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class _MeanOverPixels(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def _from_torch_layout(array: NDArray[np.floating]) -> NDArray[np.floating]:
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _to_torch_layout(array: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.ascontiguousarray(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T)
