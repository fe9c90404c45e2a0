"""Texts by characters, and how batches are drawn from them."""

import sysconfig
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.lib import data
from experiments.studies.damping.tasks import Arrays, in_batches

__all__ = ["PYTHON_VOCABULARY", "Text", "as_python", "batch_of", "draws_of", "evaluation_of", "python_sources", "text"]

PYTHON_VOCABULARY = 96
"""The printable characters of ASCII and the line break."""

_EVALUATED_AT_ONCE = 32

Ids = NDArray[np.int32]
Text = tuple[Mapping[str, Ids], int]
"""The numbers of the characters, for training, validation and test, and how many characters there are."""


def text(description: Mapping[str, Any], source: Path | None) -> Text:
    """What `experiments.lib.data.text` described."""
    parts, vocabulary = data.load(description, source)
    context = description["context"]
    # Pieces side by side are the text, without the last characters that fill no piece.
    whole = {part: parts[part].take(np.arange(0, len(parts[part]), context))[0].ravel() for part in parts}
    return {part: ids.astype(np.int32) for part, ids in whole.items()}, vocabulary


@cache
def python_sources(most: int) -> Text:
    """The sources of Python's standard library, in a random order that is always the same.

    Args:
        most: So many characters at most; 95 % are for training, the rest is for validation and test.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    paths = [path for path in sorted(folder.rglob("*.py")) if "site-packages" not in path.parts]
    ids: list[Ids] = []
    length = 0
    for i in np.random.default_rng(0).permutation(len(paths)):
        ids.append(as_python(np.frombuffer(paths[i].read_bytes(), np.uint8)))
        length += len(ids[-1])
        if length >= most:
            break
    whole = np.concatenate(ids)[:most]
    first, second = len(whole) * 95 // 100, len(whole) * 975 // 1000
    return {
        "training": whole[:first],
        "validation": whole[first:second],
        "test": whole[second:],
    }, PYTHON_VOCABULARY


def as_python(read: NDArray[np.uint8]) -> Ids:
    r"""The numbers of bytes in the alphabet of `python_sources`; all others are left out.

    Example:
        >>> as_python(np.frombuffer("ü a\n".encode(), np.uint8)).tolist()
        [0, 65, 95]
    """
    known = read[(read == ord("\n")) | ((read >= ord(" ")) & (read <= ord("~")))].astype(np.int32)
    return np.where(known == ord("\n"), PYTHON_VOCABULARY - 1, known - ord(" ")).astype(np.int32)


def draws_of(ids: Ids, context: int, batch_size: int) -> Callable[[int], Iterator[Ids]]:
    """For `Task.draws`: where the pieces of a batch begin."""

    def draws(seed: int) -> Iterator[Ids]:
        generator = np.random.default_rng(seed)
        while True:
            yield generator.integers(len(ids) - context, size=batch_size, dtype=np.int32)

    return draws


def batch_of(context: int) -> Callable[[Any, Any], Arrays]:
    """For `Task.batch`: pieces of a text, and the characters that follow each of theirs."""

    def batch(ids: Any, starts: Any) -> Arrays:
        places = starts[:, None] + jnp.arange(context)
        return ids[places], ids[places + 1]

    return batch


def evaluation_of(parts: Mapping[str, Ids], context: int, pieces: int) -> dict[str, Arrays]:
    """For `Task.evaluation`: so many pieces at most that do not overlap, spread over the text."""
    found = {}
    for part in ("validation", "test"):
        ids = parts[part]
        room = len(ids) - context
        starts = np.arange(0, room, max(room // pieces, context))[:pieces]
        places = starts[:, None] + np.arange(context)
        found[part] = in_batches((ids[places], ids[places + 1]), _EVALUATED_AT_ONCE)
    return found
