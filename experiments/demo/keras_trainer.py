"""Training in Keras."""

import keras
import numpy as np

import indian_tf
from experiments.demo.optimizers import ADAM, INDIAN, SGD
from experiments.demo.task import Data
from experiments.demo.training import Evaluation
from experiments.lib.digits import Weights
from experiments.lib.keras_networks import digits_network

__all__ = ["Trainer"]


class Trainer:
    """See `experiments.demo.training.Trainer`."""

    def __init__(self, weights: Weights, optimizer: str, dtype: str) -> None:
        # Before anything else: Keras keeps the learning rate in floatx too.
        keras.config.set_floatx(dtype)
        self.network = digits_network(weights)
        self.network.compile(
            optimizer=_optimizer(optimizer),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )

    def step(self, batch: Data) -> None:
        """Take one step."""
        self.network.train_on_batch(batch.images, batch.labels)

    def evaluate(self, data: Data) -> Evaluation:
        """Evaluate the network."""
        # Keras averages its metrics over all calls since the last reset, those of train_on_batch too.
        self.network.reset_metrics()
        loss, accuracy = self.network.test_on_batch(data.images, data.labels)
        return Evaluation(float(loss), float(accuracy))

    def weights(self) -> Weights:
        """The weights as they are now."""
        return Weights(*self.network.get_weights())


def _optimizer(name: str) -> keras.optimizers.Optimizer:
    # On TensorFlow, Keras' own optimizers round a Python number to float32 before they cast it to float64 (a momentum
    # of 0.9 becomes 0.89999998), but not a NumPy number.
    match name:
        case "INDIAN":
            return indian_tf.INDIAN(**INDIAN._asdict())
        case "SGD":
            return keras.optimizers.SGD(SGD.learning_rate, momentum=np.float64(SGD.momentum), nesterov=True)
        case "Adam":
            return keras.optimizers.Adam(
                ADAM.learning_rate,
                beta_1=np.float64(ADAM.beta_1),
                beta_2=np.float64(ADAM.beta_2),
                epsilon=np.float64(ADAM.epsilon),
            )
    raise ValueError(f"unknown optimizer {name!r}")
