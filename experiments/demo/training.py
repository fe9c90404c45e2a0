"""The training loop of the demo, and what it records."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.demo.task import Task
from experiments.lib.trainers import Trainer

__all__ = ["EVALUATE_EVERY", "RECORD_EVERY", "Run", "train"]

RECORD_EVERY: Final = 4
"""Steps between two records of the parameters."""

EVALUATE_EVERY: Final = 22
"""Steps between two evaluations on all images."""


class Run(NamedTuple):
    """One training run.

    Attributes:
        evaluation_steps: After how many steps the network was evaluated, shape (e,).
        training_loss: Mean cross-entropy on all training images, shape (e,).
        test_accuracy: Shape (e,).
        recorded_steps: After how many steps the parameters were recorded, shape (r,).
        trajectory: All parameters as one vector, at the recorded steps, shape (r, number of parameters).
        seconds: Duration of the whole run: steps, compilation, evaluations and records.
    """

    evaluation_steps: NDArray[np.int64]
    training_loss: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    recorded_steps: NDArray[np.int64]
    trajectory: NDArray[np.floating]
    seconds: NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write the run to a file."""
        np.savez(path, **self._asdict())

    @classmethod
    def load(cls, path: Path) -> "Run":
        """Read a run that `save` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)


def train(trainer: Trainer, learning_rate: float, task: Task, report: Callable[[int], None]) -> Run:
    """Train on the batches of the task, in their order.

    Args:
        trainer: At its initial weights.
        learning_rate: Of every step.
        task: What to train on.
        report: Called now and then with the number of steps taken so far.
    """
    training_data, test_data, last = task.training_data(), task.test_data(), task.steps()
    evaluations, recorded_steps, trajectory = [], [], []

    def observe(step: int) -> None:
        if step % RECORD_EVERY == 0 or step == last:
            recorded_steps.append(step)
            trajectory.append(np.concatenate([weight.ravel() for weight in trainer.weights()]))
            report(step)
        if step % EVALUATE_EVERY == 0 or step == last:
            evaluations.append((step, trainer.evaluate(*training_data).loss, trainer.evaluate(*test_data).accuracy))

    start = time.perf_counter()
    observe(0)
    for step, batch in enumerate(task.batches(), start=1):
        trainer.step(*batch, learning_rate)
        observe(step)
    seconds = time.perf_counter() - start
    steps, training_loss, test_accuracy = map(np.array, zip(*evaluations, strict=True))
    return Run(steps, training_loss, test_accuracy, np.array(recorded_steps), np.array(trajectory), np.array(seconds))
