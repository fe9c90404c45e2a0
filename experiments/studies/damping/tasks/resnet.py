"""A residual network with batch normalization, of the kind of ResNet-18, on images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.studies.damping.tasks import Task
from experiments.studies.damping.tasks.convolutions import CONVOLUTIONS
from experiments.studies.damping.tasks.pictures import batch_of, draws_of, pictures

__all__ = ["ResNet", "load"]

MARGIN: Final = 2
"""By how many pixels images are shifted at most."""

STATISTICS_DECAY: Final = 0.9
"""Of the running averages of mean and variance."""

NORM_EPSILON: Final = 1e-5


class Convolution(NamedTuple):
    """A convolution of size × size with a batch normalization after it."""

    size: int
    inputs: int
    outputs: int
    stride: int


class ResNet(NamedTuple):
    """Convolutions of 3 × 3 in pairs, each pair beside a shortcut, which is a 1 × 1 convolution where shapes change.

    Attributes:
        channels: Of the images.
        classes: Number of logits.
        widths: Channels of each stage; every stage but the first halves height and width.
        blocks: Pairs in a stage.
        precision: Of the products, see `experiments.studies.damping.tasks.precision.PRECISIONS`.
        convolution: How convolutions are computed, a key of
            `experiments.studies.damping.tasks.convolutions.CONVOLUTIONS`.
    """

    channels: int
    classes: int
    widths: tuple[int, ...]
    blocks: int
    precision: str
    convolution: str

    def pairs(self) -> list[tuple[Convolution, Convolution, Convolution | None]]:
        """The two convolutions of each block and that of its shortcut."""
        found = []
        inputs = self.widths[0]
        for stage, width in enumerate(self.widths):
            for block in range(self.blocks):
                stride = 2 if stage and not block else 1
                same = stride == 1 and inputs == width
                shortcut = None if same else Convolution(1, inputs, width, stride)
                found.append((Convolution(3, inputs, width, stride), Convolution(3, width, width, 1), shortcut))
                inputs = width
        return found

    def convolutions(self) -> list[Convolution]:
        """All of them, in the order of their weights."""
        stem = Convolution(3, self.channels, self.widths[0], 1)
        return [stem, *(each for pair in self.pairs() for each in pair if each is not None)]

    def initial_weights(self, seed: int) -> list[NDArray[Any]]:
        """For each convolution a kernel, He normal, a scale and a shift; a matrix and a bias for the logits.

        Example:
            >>> network = ResNet(3, 10, (64, 128, 256, 512), 2, "float32", "direct")
            >>> sum(weight.size for weight in network.initial_weights(0))
            11173962
        """
        generator = np.random.default_rng(seed)
        weights: list[NDArray[Any]] = []
        for size, inputs, outputs, _ in self.convolutions():
            deviation = (2 / (size * size * inputs)) ** 0.5
            weights.append(generator.normal(0, deviation, (size, size, inputs, outputs)).astype(np.float32))
            weights += [np.ones(outputs, np.float32), np.zeros(outputs, np.float32)]
        last = self.widths[-1]
        matrix = generator.normal(0, last**-0.5, (last, self.classes)).astype(np.float32)
        return [*weights, matrix, np.zeros(self.classes, np.float32)]

    def initial_statistics(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Mean 0 and variance 1 for each convolution."""
        return [(np.zeros(c.outputs, np.float32), np.ones(c.outputs, np.float32)) for c in self.convolutions()]

    def apply(self, weights: Sequence[Any], statistics: Any, x: Any, training: bool) -> tuple[jax.Array, Any]:
        """Logits, and the running averages after this batch; in training, batches are normalized by themselves."""
        remaining, averages, convolved = iter(weights), iter(statistics), CONVOLUTIONS[self.convolution]
        found: list[tuple[jax.Array, jax.Array]] = []

        def layer(x: Any, convolution: Convolution) -> jax.Array:
            y = convolved(x, next(remaining), convolution.stride, self.precision)
            mean, variance = next(averages)
            if training:
                now = y.mean((0, 1, 2)), y.var((0, 1, 2))
                found.append((_moved(mean, now[0]), _moved(variance, now[1])))
                mean, variance = now
            return (y - mean) * jax.lax.rsqrt(variance + NORM_EPSILON) * next(remaining) + next(remaining)

        x = jax.nn.relu(layer(x, self.convolutions()[0]))
        for first, second, shortcut in self.pairs():
            inner = layer(jax.nn.relu(layer(x, first)), second)
            x = jax.nn.relu(inner + (x if shortcut is None else layer(x, shortcut)))
        logits = x.mean((1, 2)) @ next(remaining) + next(remaining)
        return logits, found if training else statistics


def _moved(average: Any, now: Any) -> jax.Array:
    return STATISTICS_DECAY * average + (1 - STATISTICS_DECAY) * now


def load(description: Mapping[str, Any], source: Path | None) -> Task:
    """See `experiments.studies.damping.tasks.load`."""
    found = pictures(description["data"], MARGIN, source)
    sizes = description["network"]
    network = ResNet(
        found.shape[-1],
        found.classes,
        tuple(sizes["widths"]),
        sizes["blocks"],
        description["precision"],
        sizes["convolution"],
    )
    return Task(
        initial_weights=network.initial_weights,
        initial_statistics=network.initial_statistics(),
        apply=network.apply,
        # Muon would need to know how kernels become matrices.
        hidden=[False] * len(network.initial_weights(0)),
        data=found.training,
        draws=draws_of(len(found.training[1]), description["batch_size"], MARGIN),
        batch=batch_of(found.shape),
        evaluation=found.evaluation,
    )
