"""A network and an optimizer in one framework, behind one interface for the runs and the demo."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.lib.networks.character_gpt import CharacterGPT
from experiments.lib.networks.layers import Network

__all__ = ["LIBRARIES", "MODULES", "Evaluation", "Trainer", "trainer"]


class Evaluation(NamedTuple):
    """Mean cross-entropy, and the share of labels that are right."""

    loss: float
    accuracy: float


class Trainer(Protocol):
    """Holds a network and an optimizer."""

    def __init__(
        self,
        network: Network | CharacterGPT,
        weights: Sequence[NDArray[np.floating]],
        optimizer: str,
        hyperparameters: Mapping[str, float],
        dtype: str,
    ) -> None:
        """Build them; see `trainer`."""

    def step(self, x: NDArray[Any], y: NDArray[np.int64], learning_rate: float) -> float:
        """Take one step on the mean cross-entropy of a batch; returns the loss before it."""

    def evaluate(self, x: NDArray[Any], y: NDArray[np.int64]) -> Evaluation:
        """Evaluate the network."""

    def weights(self) -> list[NDArray[np.floating]]:
        """The weights as they are now, in the layout of `experiments.lib.networks.layers`."""


MODULES: Final = {
    "torch": "experiments.lib.trainers.torch_trainer",
    "keras": "experiments.lib.trainers.keras_trainer",
    "jax": "experiments.lib.trainers.jax_trainer",
}

LIBRARIES: Final = {"torch": ("torch",), "keras": ("keras", "tensorflow"), "jax": ("jax", "optax")}
"""What each needs."""


def trainer(
    framework: str,
    network: Network | CharacterGPT,
    weights: Sequence[NDArray[np.floating]],
    optimizer: str,
    hyperparameters: Mapping[str, float],
    dtype: str = "float32",
) -> Trainer:
    """Build a network and an optimizer.

    Args:
        framework: "torch", "keras" or "jax".
        network: See `experiments.lib.networks.architectures`.
        weights: To start from, as the network's ``initial_weights`` gives them.
        optimizer: See `experiments.lib.optimizers`.
        hyperparameters: See `experiments.lib.optimizers`. A learning rate among them has no effect: every step is given
            its own.
        dtype: Of weights and images.
    """
    made: type[Trainer] = importlib.import_module(MODULES[framework]).Trainer
    return made(network, weights, optimizer, hyperparameters, dtype)
