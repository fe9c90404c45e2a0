"""A network and an optimizer in one framework, behind one interface: `experiments.lib.training` drives them."""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["LIBRARIES", "MODULES", "Evaluation", "Trainer", "trainer"]


class Evaluation(NamedTuple):
    """Mean cross-entropy, and the share of labels that are right."""

    loss: float
    accuracy: float


class Trainer(Protocol):
    """Holds a network and an optimizer."""

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
    network: Mapping[str, Any],
    input_shape: tuple[int, ...],
    classes: int,
    seed: int,
    optimizer: str,
    hyperparameters: Mapping[str, float],
    dtype: str = "float32",
) -> Trainer:
    """Build a network and an optimizer.

    Args:
        framework: "torch", "keras" or "jax".
        network: ``{"name": ..., **sizes}``, see `experiments.lib.networks.architectures`.
        input_shape: Of one example.
        classes: Number of labels.
        seed: Decides the initial weights.
        optimizer: See `experiments.lib.optimizers`.
        hyperparameters: See `experiments.lib.optimizers`.
        dtype: Of weights and images.
    """
    made = importlib.import_module(MODULES[framework]).Trainer
    return made(network, input_shape, classes, seed, optimizer, hyperparameters, dtype)
