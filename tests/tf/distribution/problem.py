"""What the programs of this folder train, in float64, on one device and on several: the same global batches."""

import pathlib
from typing import Any

import keras
import numpy as np

from indian_tf import INDIAN, PowerDecay

BATCH_SIZE = 16
EPOCHS = 3


def data() -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of four batches."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(4 * BATCH_SIZE, 4))
    return inputs, np.tanh(inputs @ generator.normal(size=(4, 1)))


def new_model(dense: Any = keras.layers.Dense) -> Any:
    """A small network, the same initial weights each time."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), dense(8, activation="tanh", name="hidden"), dense(1, name="output")])


def new_optimizer(**options: Any) -> INDIAN:
    """INDIAN with a decaying step, and weight decay of all but the biases."""
    optimizer = INDIAN(learning_rate=PowerDecay(0.2, 0.25), alpha=0.5, beta=0.3, weight_decay=0.01, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class Trajectory(keras.callbacks.Callback):
    """θ after each step, flat; and ψ at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.thetas: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.thetas.append(flat(self.model.trainable_variables))

    def save(self, directory: pathlib.Path, name: str) -> None:
        """Write what was recorded."""
        variables = self.model.trainable_variables
        phase = flat([self.model.optimizer.phase(variable) for variable in variables])
        np.savez(directory / f"{name}.npz", theta=np.array(self.thetas), phase=phase)


def flat(tensors: list[Any]) -> np.ndarray:
    """All entries of all tensors."""
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(tensor)).ravel() for tensor in tensors])
