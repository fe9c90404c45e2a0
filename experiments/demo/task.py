"""What every framework of the demo trains: the same weights to start from, the same batches in the same order."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.lib import data
from experiments.lib.networks.architectures import strided_convnet

__all__ = ["BATCH_SIZE", "DTYPES", "NETWORK", "Data", "Task"]

NETWORK: Final = strided_convnet((8, 8, 1), data.DIGITS)

BATCH_SIZE: Final = 32

DTYPES: Final = ("float64", "float32")


class Data(NamedTuple):
    """Images, shape (n, 8, 8, 1), and their digits, int64, shape (n,)."""

    images: NDArray[np.floating]
    labels: NDArray[np.int64]


class Task(NamedTuple):
    """One training problem.

    Attributes:
        epochs: Passes over the training images.
        seed: Decides the initial weights and the order of the batches.
        dtype: Of weights and images, one of `DTYPES`.
    """

    epochs: int
    seed: int
    dtype: str

    def training_data(self) -> Data:
        """The training images."""
        digits = data.digits()
        return Data(digits.x_train.astype(self.dtype), digits.y_train)

    def test_data(self) -> Data:
        """The test images."""
        digits = data.digits()
        return Data(digits.x_test.astype(self.dtype), digits.y_test)

    def steps_per_epoch(self) -> int:
        """Batches in one pass."""
        return len(data.digits().y_train) // BATCH_SIZE

    def steps(self) -> int:
        """Batches in all."""
        return self.epochs * self.steps_per_epoch()

    def batches(self) -> Iterator[Data]:
        """The batches, in order."""
        images, labels = self.training_data()
        for batch in data.batches(len(labels), BATCH_SIZE, self.seed, self.epochs):
            yield Data(images[batch], labels[batch])
