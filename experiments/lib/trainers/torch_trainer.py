"""Training in PyTorch, with one thread."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from experiments.lib import optimizers
from experiments.lib.networks.character_gpt import CharacterGPT
from experiments.lib.networks.layers import Network
from experiments.lib.networks.torch_gpt import TorchGPT
from experiments.lib.networks.torch_network import TorchNetwork
from experiments.lib.trainers import Evaluation

__all__ = ["Trainer"]

_EVALUATED_AT_ONCE = 500


class Trainer:
    """See `experiments.lib.trainers.Trainer`."""

    def __init__(
        self,
        network: Network | CharacterGPT,
        weights: Sequence[NDArray[np.floating]],
        optimizer: str,
        hyperparameters: Mapping[str, float],
        dtype: str,
    ) -> None:
        torch.set_num_threads(1)
        self._dtype = getattr(torch, dtype)
        self.network: TorchNetwork | TorchGPT
        if isinstance(network, CharacterGPT):
            self.network = TorchGPT(network, weights, self._dtype)
        else:
            self.network = TorchNetwork(network, weights, self._dtype)
        self.optimizer = optimizers.in_torch(optimizer, list(self.network.parameters()), hyperparameters)

    def step(self, x: NDArray[Any], y: NDArray[np.int64], learning_rate: float) -> float:
        """Take one step."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        loss = cross_entropy(self.network(self._input(x)).flatten(0, -2), torch.from_numpy(y).flatten())
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def evaluate(self, x: NDArray[Any], y: NDArray[np.int64]) -> Evaluation:
        """Evaluate the network."""
        loss, right, labels = 0.0, 0, torch.from_numpy(y)
        for inputs, expected in zip(
            self._input(x).split(_EVALUATED_AT_ONCE), labels.split(_EVALUATED_AT_ONCE), strict=True
        ):
            logits = self.network(inputs).flatten(0, -2)
            loss += cross_entropy(logits, expected.flatten(), reduction="sum").item()
            right += int((logits.argmax(1) == expected.flatten()).sum())
        return Evaluation(loss / labels.numel(), right / labels.numel())

    def weights(self) -> list[NDArray[np.floating]]:
        """The weights as they are now."""
        return self.network.weights()

    def _input(self, x: NDArray[Any]) -> torch.Tensor:
        tensor = torch.from_numpy(x)
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor
