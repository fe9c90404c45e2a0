"""Training in PyTorch."""

import torch
from torch.nn.functional import cross_entropy

import indian_torch
from experiments.demo.optimizers import ADAM, INDIAN, SGD
from experiments.demo.task import Data
from experiments.demo.training import Evaluation
from experiments.lib.digits import Weights
from experiments.lib.torch_networks import DigitsNet, as_weights

__all__ = ["Trainer"]


class Trainer:
    """See `experiments.demo.training.Trainer`."""

    def __init__(self, weights: Weights, optimizer: str, dtype: str) -> None:
        self.network = DigitsNet(weights, getattr(torch, dtype))
        self.optimizer = _optimizer(optimizer, list(self.network.parameters()))

    def step(self, batch: Data) -> None:
        """Take one step."""
        self.optimizer.zero_grad()
        logits = self.network(torch.from_numpy(batch.images))
        cross_entropy(logits, torch.from_numpy(batch.labels)).backward()
        self.optimizer.step()

    @torch.no_grad()
    def evaluate(self, data: Data) -> Evaluation:
        """Evaluate the network."""
        logits, labels = self.network(torch.from_numpy(data.images)), torch.from_numpy(data.labels)
        accuracy = (logits.argmax(1) == labels).double().mean()
        return Evaluation(cross_entropy(logits, labels).item(), accuracy.item())

    def weights(self) -> Weights:
        """The weights as they are now."""
        return as_weights(list(self.network.parameters()))


def _optimizer(name: str, params: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    match name:
        case "INDIAN":
            return indian_torch.INDIAN(
                params,
                lr=INDIAN.learning_rate,
                alpha=INDIAN.alpha,
                beta=INDIAN.beta,
                initial_speed=INDIAN.initial_speed,
                weight_decay=INDIAN.weight_decay,
            )
        case "SGD":
            return torch.optim.SGD(params, lr=SGD.learning_rate, momentum=SGD.momentum, nesterov=True)
        case "Adam":
            return torch.optim.Adam(params, lr=ADAM.learning_rate, betas=(ADAM.beta_1, ADAM.beta_2), eps=ADAM.epsilon)
    raise ValueError(f"unknown optimizer {name!r}")
