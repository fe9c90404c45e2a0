"""Training in Keras."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.lib import optimizers
from experiments.lib.networks.character_gpt import CharacterGPT
from experiments.lib.networks.keras_network import keras_network
from experiments.lib.networks.layers import Network
from experiments.lib.trainers import Evaluation

__all__ = ["Trainer"]


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
        # Before anything else: Keras keeps the learning rate in floatx too.
        keras.config.set_floatx(dtype)
        self.network = keras_network(network, weights)
        self.network.compile(
            optimizer=optimizers.in_keras(optimizer, hyperparameters),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )

    def step(self, x: NDArray[Any], y: NDArray[np.int64], learning_rate: float) -> float:
        """Take one step."""
        self.network.optimizer.learning_rate = learning_rate
        # Keras averages loss and metrics over all calls since the last reset.
        self.network.reset_metrics()
        loss, _ = self.network.train_on_batch(x, y)
        return float(loss)

    def evaluate(self, x: NDArray[Any], y: NDArray[np.int64]) -> Evaluation:
        """Evaluate the network."""
        loss, accuracy = self.network.evaluate(x, y, batch_size=500, verbose=0)
        return Evaluation(float(loss), float(accuracy))

    def weights(self) -> list[NDArray[np.floating]]:
        """The weights as they are now."""
        return self.network.get_weights()
