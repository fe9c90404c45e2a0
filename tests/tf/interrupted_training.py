"""Training with backups, which a killed process leaves unfinished: run as a program, it is that process."""

import os
import pathlib
import signal
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from indian_tf import INDIAN, PowerDecay

STEPS_PER_EPOCH = 8
STEPS = 4 * STEPS_PER_EPOCH
# In the middle of the second epoch, and two steps after the last backup of those made every third step.
KILLED_AFTER = 14
LAST_BACKUP = 12

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "INDIAN": lambda: INDIAN(learning_rate=PowerDecay(0.2, 0.25), alpha=0.5, beta=0.3, weight_decay=0.01),
    # Keras' own, so that the tests are about how INDIAN resumes and not about how Keras does.
    "SGD": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    # Its backups hold a part of a sum of gradients: five does not divide the steps of an epoch.
    "INDIAN-accumulating": lambda: INDIAN(learning_rate=0.1, gradient_accumulation_steps=5, use_ema=True),
}


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """The batches of an epoch: inputs and targets."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(STEPS_PER_EPOCH, 4, 4)).astype("float32")
    return inputs, np.tanh(inputs @ generator.normal(size=(4, 1))).astype("float32")


class WhereItStopped(keras.utils.PyDataset):
    """The batches from the one on that an optimizer has not yet seen, and those of the next epoch up to it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.inputs, self.targets = arrays()
        self.seen = 0

    def on_epoch_begin(self) -> None:
        self.seen = int(self.model.optimizer.iterations)

    def __len__(self) -> int:
        return STEPS_PER_EPOCH

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        batch = (self.seen + index) % STEPS_PER_EPOCH
        return self.inputs[batch], self.targets[batch]


class Trajectory(keras.callbacks.Callback):
    """Parameters and state of the optimizer after each step, and something to do after the step."""

    def __init__(self, then: Callable[[int], None] = lambda steps: None) -> None:
        super().__init__()
        self.then = then
        self.states: list[list[np.ndarray]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        variables = self.model.trainable_variables + self.model.optimizer.variables
        self.states.append([np.array(keras.ops.convert_to_numpy(variable)) for variable in variables])
        self.then(len(self.states))


def train(optimizer: str, *callbacks: Any, where_it_stopped: bool = False) -> None:
    """Train a small network for four epochs; each begins with its first batch, or with the first not yet seen."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(1)])
    model.compile(optimizer=OPTIMIZERS[optimizer](), loss="mse")
    inputs, targets = arrays()
    data = [WhereItStopped(model)] if where_it_stopped else [inputs.reshape(-1, 4), targets.reshape(-1, 1), 4]
    model.fit(*data, epochs=STEPS // STEPS_PER_EPOCH, shuffle=False, verbose=0, callbacks=list(callbacks))


def backups(directory: pathlib.Path, optimizer: str) -> dict[str, Any]:
    """Keras' backups after each epoch, and every third step."""
    return {
        "epochs": keras.callbacks.BackupAndRestore(directory / optimizer / "epochs"),
        "steps": keras.callbacks.BackupAndRestore(directory / optimizer / "steps", save_freq=3),
    }


def train_until_killed(directory: pathlib.Path, optimizers: list[str]) -> None:
    """Train with each optimizer up to the same step, then kill this process.

    In the last step of one optimizer, the training with the next begins. So none of them comes to an end.
    """
    first, *rest = optimizers

    def stop(steps: int) -> None:
        if steps == KILLED_AFTER and rest:
            train_until_killed(directory, rest)
        elif steps == KILLED_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    train(first, *backups(directory, first).values(), Trajectory(stop))


if __name__ == "__main__":
    train_until_killed(pathlib.Path(sys.argv[1]), list(OPTIMIZERS))
