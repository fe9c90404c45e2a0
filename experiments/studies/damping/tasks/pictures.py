"""Images, and how batches of them are drawn: flipped and shifted at random."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.lib import data
from experiments.studies.damping.tasks import Arrays, in_batches

__all__ = ["Pictures", "batch_of", "draws_of", "pictures"]

_EVALUATED_AT_ONCE = 500


class Pictures(NamedTuple):
    """Images and their classes.

    Attributes:
        training: Images, (n, height, width, channels), with a margin of zeros around each, and classes.
        evaluation: For "validation" and "test", in batches.
        shape: Height, width, channels, without the margin.
        classes: How many there are.
    """

    training: Arrays
    evaluation: Mapping[str, Arrays]
    shape: tuple[int, int, int]
    classes: int


class Draw(NamedTuple):
    """What identifies a batch: which images, which of them are flipped, and where in its margin each begins."""

    indices: NDArray[np.int32]
    is_flipped: NDArray[np.bool_]
    corners: NDArray[np.int32]


def pictures(description: Mapping[str, Any], margin: int, source: Path | None) -> Pictures:
    """What `experiments.lib.data.images` described."""
    parts, classes = data.load(description, source)
    whole = {part: parts[part].spread(len(parts[part])) for part in parts}
    x, y = whole["training"]
    padded = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    height, width, channels = x.shape[1:]
    return Pictures(
        training=(jnp.asarray(padded), jnp.asarray(y, jnp.int32)),
        evaluation={
            part: in_batches((images, labels.astype(np.int32)), _EVALUATED_AT_ONCE)
            for part, (images, labels) in whole.items()
            if part != "training"
        },
        shape=(height, width, channels),
        classes=classes,
    )


def draws_of(n: int, batch_size: int, margin: int) -> Callable[[int], Iterator[Draw]]:
    """For `Task.draws`: epochs of n images in random order."""

    def draws(seed: int) -> Iterator[Draw]:
        generator = np.random.default_rng([seed, 1])
        for indices in data.batches(n, batch_size, seed):
            corners = generator.integers(2 * margin + 1, size=(batch_size, 2), dtype=np.int32)
            yield Draw(indices.astype(np.int32), generator.random(batch_size) < 0.5, corners)

    return draws


def batch_of(shape: tuple[int, int, int]) -> Callable[[Any, Any], Arrays]:
    """For `Task.batch`: images flipped and cut out as drawn, and their classes."""

    def batch(training: Any, draw: Any) -> Arrays:
        images, labels = training

        def cut(image: jax.Array, corner: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(image, (corner[0], corner[1], 0), shape)

        x = jax.vmap(cut)(images[draw.indices], draw.corners)
        x = jnp.where(draw.is_flipped[:, None, None, None], x[:, :, ::-1], x)
        return x, labels[draw.indices]

    return batch
