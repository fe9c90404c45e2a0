"""A small vision transformer on images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.lib.networks.character_gpt import blocks_of, initial_blocks, linear, normalized
from experiments.studies.damping.tasks import Task
from experiments.studies.damping.tasks.pictures import batch_of, draws_of, pictures
from experiments.studies.damping.tasks.precision import namespace

__all__ = ["VisionTransformer", "load"]

MARGIN: Final = 2
"""By how many pixels images are shifted at most."""

_DEVIATION: Final = 0.02


class VisionTransformer(NamedTuple):
    """Patches side by side, a linear layer, learned positions, blocks, and the logits of their mean.

    Attributes:
        shape: Height, width, channels of the images.
        classes: Number of logits.
        patch: Height and width of a patch.
        width: Numbers that describe a patch within the network.
        blocks: Number of blocks.
        heads: Of the attention.
        precision: Of the products, see `experiments.studies.damping.tasks.precision.PRECISIONS`.
    """

    shape: tuple[int, int, int]
    classes: int
    patch: int
    width: int
    blocks: int
    heads: int
    precision: str

    def length(self) -> int:
        """Number of patches."""
        return self.shape[0] // self.patch * (self.shape[1] // self.patch)

    def initial_weights(self, seed: int) -> list[NDArray[Any]]:
        """Of the positions, the linear layer of the patches, the blocks, a normalization, and the logits.

        Example:
            >>> network = VisionTransformer((32, 32, 3), 10, patch=4, width=64, blocks=2, heads=2, precision="float32")
            >>> [weight.shape for weight in network.initial_weights(0)[:3]]
            [(64, 64), (48, 64), (64,)]
        """
        generator = np.random.default_rng(seed)

        def normal(*shape: int, deviation: float = _DEVIATION) -> NDArray[np.float64]:
            return generator.normal(0.0, deviation, shape)

        pixels = self.patch**2 * self.shape[2]
        start = [normal(self.length(), self.width), normal(pixels, self.width, deviation=pixels**-0.5)]
        blocks = initial_blocks(generator, self.width, self.blocks)
        end = [np.ones(self.width), np.zeros(self.width), normal(self.width, self.classes), np.zeros(self.classes)]
        return [*start, np.zeros(self.width), *blocks, *end]

    def apply(self, weights: Sequence[Any], statistics: Any, x: Any, training: bool) -> tuple[jax.Array, Any]:
        """Logits; there are no statistics."""
        del training
        arithmetic = namespace(self.precision)
        remaining = iter(weights)
        positions = next(remaining)
        x = linear(remaining, self._patches(x), arithmetic) + positions
        sizes = (self.length(), self.width, self.blocks, self.heads)
        x = blocks_of(remaining, x, *sizes, None, arithmetic, jax.nn)
        x = normalized(remaining, x, arithmetic).mean(1)
        return linear(remaining, x, arithmetic), statistics

    def hidden(self) -> list[bool]:
        """Which weights are matrices, except those of the positions, the patches and the logits."""
        shapes = [weight.shape for weight in self.initial_weights(0)]
        ends = (0, 1, len(shapes) - 2)
        return [len(shape) == 2 and place not in ends for place, shape in enumerate(shapes)]

    def _patches(self, x: Any) -> jax.Array:
        height, width, channels = self.shape
        rows, columns = height // self.patch, width // self.patch
        split = x.reshape(-1, rows, self.patch, columns, self.patch, channels).transpose(0, 1, 3, 2, 4, 5)
        return jnp.reshape(split, (-1, rows * columns, self.patch**2 * channels))


def load(description: Mapping[str, Any], source: Path | None) -> Task:
    """See `experiments.studies.damping.tasks.load`."""
    found = pictures(description["data"], MARGIN, source)
    network = VisionTransformer(
        found.shape, found.classes, precision=description["precision"], **description["network"]
    )
    return Task(
        initial_weights=network.initial_weights,
        initial_statistics=(),
        apply=network.apply,
        hidden=network.hidden(),
        data=found.training,
        draws=draws_of(len(found.training[1]), description["batch_size"], MARGIN),
        batch=batch_of(found.shape),
        evaluation=found.evaluation,
    )
