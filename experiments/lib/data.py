"""Data for experiments: images of MNIST and CIFAR, handwritten digits, and text by characters.

Data come from what the user names, else from the framework's own download, else, where an experiment allows it, from
what every machine has: scikit-learn's digits, and the sources of Python's standard library. What is for training, for
validation and for testing is fixed by the numbers of examples alone. Nothing here needs a deep learning framework,
unless data have to be downloaded.
"""

import hashlib
import itertools
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DIGITS",
    "IMAGES",
    "DataError",
    "Digits",
    "Examples",
    "ImageExamples",
    "TextExamples",
    "batches",
    "digits",
    "fingerprint",
    "image_arrays",
    "images",
    "images_or_digits",
    "load",
    "named_text",
    "text",
]

IMAGES: Final = ("mnist", "cifar10", "cifar100", "digits")
"""The image data sets that have a name here."""

DIGITS: Final = 10
"""Classes of the handwritten digits."""

_TRAINING_DIGITS: Final = 1437

_STANDARD_LIBRARY_CHARACTERS: Final = 1_200_000

Arrays = tuple[NDArray[Any], NDArray[np.int64]]


class DataError(Exception):
    """Data cannot be had; the message says what would help."""


class DownloadError(DataError):
    """The user named no data, and they cannot be downloaded."""


class Examples(Protocol):
    """A part of some data."""

    def __len__(self) -> int:
        """Number of examples that a batch may be drawn from."""

    def take(self, indices: NDArray[np.int64]) -> Arrays:
        """Inputs and labels of some examples."""

    def spread(self, most: int) -> Arrays:
        """Inputs and labels of up to so many examples, always the same ones, to evaluate a network on."""


class ImageExamples(NamedTuple):
    """Images, shape (n, height, width, channels), and their classes, shape (n,)."""

    x: NDArray[np.floating]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, indices: NDArray[np.int64]) -> Arrays:
        """See `Examples`."""
        return self.x[indices], self.y[indices]

    def spread(self, most: int) -> Arrays:
        """The first images."""
        return self.x[:most], self.y[:most]


class TextExamples:
    """All pieces of a text, shape (n, context), each with the characters that follow, shape (n, context)."""

    def __init__(self, characters: NDArray[np.int64], context: int) -> None:
        self._characters = characters
        self._offsets = np.arange(context)

    def __len__(self) -> int:
        return len(self._characters) - len(self._offsets)

    def take(self, indices: NDArray[np.int64]) -> Arrays:
        """See `Examples`."""
        places = np.asarray(indices)[:, np.newaxis] + self._offsets
        return self._characters[places], self._characters[places + 1]

    def spread(self, most: int) -> Arrays:
        """Pieces that do not overlap, over the whole text."""
        apart = max(len(self) // most, len(self._offsets))
        return self.take(np.arange(0, len(self), apart)[:most])


class Digits(NamedTuple):
    """Images in [0, 1], float64, shape (n, 8, 8, 1), and their digits, int64, shape (n,)."""

    x_train: NDArray[np.float64]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float64]
    y_test: NDArray[np.int64]


def batches(n: int, batch_size: int, seed: int, epochs: int | None = None) -> Iterator[NDArray[np.int64]]:
    """Indices of one mini-batch after the other, reshuffled for every pass; what is left of a pass is dropped.

    Args:
        n: Number of training examples.
        batch_size: Indices in a batch, at most n.
        seed: Decides the order.
        epochs: Number of passes; None for no end.

    Raises:
        ValueError: There are fewer examples than a batch has, when the first batch is taken.

    Example:
        >>> order = batches(10, batch_size=4, seed=0)
        >>> [next(order).tolist() for _ in range(3)]
        [[4, 6, 2, 7], [3, 5, 9, 0], [2, 9, 3, 6]]
    """
    if not 0 < batch_size <= n:
        raise ValueError(f"batch_size must be in 1..{n}, the number of training examples, got {batch_size}")
    generator = np.random.default_rng(seed)
    for _ in itertools.count() if epochs is None else range(epochs):
        order = generator.permutation(n)
        for start in range(0, n - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def digits() -> Digits:
    """Scikit-learn's handwritten digits (E. Alpaydin and C. Kaynak, UCI repository).

    They are shuffled and split into 1437 training and 360 test images, always in the same way.

    Example:
        >>> digits().x_train.shape
        (1437, 8, 8, 1)
    """
    # Not above: the import takes a second, and not every experiment loads the digits.
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = (data.images[order] / 16.0)[..., np.newaxis]
    y = data.target[order].astype(np.int64)
    n = _TRAINING_DIGITS
    return Digits(x[:n], y[:n], x[n:], y[n:])


def images(
    name: str, source: Path | None, *, training: int, validation: int, test: int, halved: bool = False
) -> dict[str, Any]:
    """Describe images for the configuration of a run.

    Args:
        name: One of `IMAGES`.
        source: What the user named with ``--data``.
        training: How many images to train on; the first of the data's training images.
        validation: The next ones, on which hyperparameters are chosen.
        test: How many of the data's test images.
        halved: Whether height and width are halved by averaging.

    Raises:
        DataError: The data cannot be had.
    """
    x_train, _, x_test, _ = image_arrays(name, source)
    if training + validation > len(x_train) or test > len(x_test):
        raise DataError(
            f"{name} has {len(x_train)} training and {len(x_test)} test images here; the experiment asks for "
            f"{training} + {validation} and {test}"
        )
    kept = {"training": training, "validation": validation, "test": test, "halved": halved}
    return {"kind": "images", "name": name, **kept, "fingerprint": fingerprint(*image_arrays(name, source))}


def images_or_digits(
    name: str, source: Path | None, *, training: int, validation: int, test: int, halved: bool = False
) -> dict[str, Any]:
    """As `images`, with handwritten digits, as many as there are, where nothing is named and nothing can be downloaded.

    Says so on the standard error stream. The digits have the same proportions of training and validation images.
    """
    try:
        return images(name, source, training=training, validation=validation, test=test, halved=halved)
    except DownloadError as error:
        print(f"{error} Until then handwritten digits take the place of {name}.", file=sys.stderr)
    _, y_train, _, y_test = image_arrays("digits", None)
    share = min(1.0, len(y_train) / (training + validation))
    return images(
        *("digits", None),
        training=int(share * training),
        validation=int(share * validation),
        test=min(test, len(y_test)),
    )


def text(source: Path | None, *, context: int) -> dict[str, Any]:
    """Describe a text for the configuration of a run: 90 % to train on, 5 % to validate, 5 % to test, in order.

    Args:
        source: What the user named with ``--data``: a .txt file, or a folder with one. None takes the sources of
            Python's standard library.
        context: Length of an example.

    Raises:
        DataError: There is no such file.
    """
    title, characters = named_text(source)
    return {
        "kind": "text",
        "name": title,
        "context": context,
        "characters": len(characters),
        "vocabulary": len(set(characters)),
        "fingerprint": fingerprint(np.frombuffer(characters.encode(), np.uint8)),
    }


def load(description: Mapping[str, Any], source: Path | None) -> tuple[dict[str, Examples], int]:
    """The parts "training", "validation" and "test" of what `images` or `text` described, and the number of classes."""
    if description["kind"] == "text":
        return _text_parts(source, description["context"])
    counts = {part: description[part] for part in ("training", "validation", "test")}
    return _image_parts(description["name"], source, **counts, halved=description["halved"])


# --- Images -----------------------------------------------------------------------------------------------------------


@cache
def _image_parts(
    name: str, source: Path | None, training: int, validation: int, test: int, halved: bool
) -> tuple[dict[str, Examples], int]:
    x_train, y_train, x_test, y_test = image_arrays(name, source)
    until = training + validation
    x = np.concatenate([x_train[:until], x_test[:test]]).astype(np.float32)
    x = x[..., np.newaxis] if x.ndim == 3 else x
    if halved:
        n, height, width, channels = x.shape
        x = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    x = (x - x[:training].mean((0, 1, 2))) / x[:training].std((0, 1, 2))
    y = np.concatenate([y_train[:until].ravel(), y_test[:test].ravel()]).astype(np.int64)
    parts = {
        part: ImageExamples(x[rows], y[rows])
        for part, rows in (
            ("training", slice(training)),
            ("validation", slice(training, until)),
            ("test", slice(until, None)),
        )
    }
    return dict(parts), int(y_train.max()) + 1


@cache
def image_arrays(name: str, source: Path | None) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Training images and labels, and test images and labels, as they are in the file.

    Raises:
        DataError: The data cannot be had.
    """
    if name == "digits":
        return digits()
    if name not in IMAGES:
        raise DataError(f"there are no images named {name!r}; the names are: {', '.join(IMAGES)}")
    if source is None:
        return _downloaded(name)
    if source.is_dir():
        found = sorted(source.glob(f"{name}.npz")) or sorted(source.glob(f"{name}[._-]*.npz"))
        if not found:
            raise DataError(f"--data {source}: there is no {name}.npz or {name}_*.npz in this folder")
        source = found[0]
    if not source.is_file():
        raise DataError(f"--data {source}: there is no such file or folder")
    with np.load(source) as file:
        missing = {"x_train", "y_train", "x_test", "y_test"} - set(file.files)
        if missing:
            raise DataError(f"{source} lacks the arrays {', '.join(sorted(missing))}")
        return file["x_train"], file["y_train"], file["x_test"], file["y_test"]


def _downloaded(name: str) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    help_text = f"Name a folder with {name}.npz: --data DIR. It holds x_train, y_train, x_test, y_test."
    try:
        from keras import datasets
    except ImportError as error:
        raise DownloadError(f"{name} can be downloaded by Keras alone, which is not installed. {help_text}") from error
    try:
        (x_train, y_train), (x_test, y_test) = getattr(datasets, name).load_data()
    except Exception as error:
        raise DownloadError(f"{name} could not be downloaded ({error}). {help_text}") from error
    # A fixed order, since some data come sorted by class.
    order = np.random.default_rng(0).permutation(len(y_train))
    return x_train[order], y_train[order], x_test, y_test


# --- Text -------------------------------------------------------------------------------------------------------------


@cache
def _text_parts(source: Path | None, context: int) -> tuple[dict[str, Examples], int]:
    _, characters = named_text(source)
    alphabet = sorted(set(characters))
    places = {character: place for place, character in enumerate(alphabet)}
    ids = np.array([places[character] for character in characters], np.int64)
    n = len(ids)
    first, second = n * 90 // 100, n * 95 // 100
    parts = {"training": ids[:first], "validation": ids[first:second], "test": ids[second:]}
    return {part: TextExamples(part_ids, context) for part, part_ids in parts.items()}, len(alphabet)


@cache
def named_text(source: Path | None) -> tuple[str, str]:
    """The name of a text, and the text.

    Args:
        source: As of `text`.

    Raises:
        DataError: There is no such file.
    """
    if source is None:
        return "the standard library of Python", _standard_library()
    if source.is_dir():
        found = sorted(source.glob("*.txt"))
        if not found:
            raise DataError(f"--data {source}: there is no .txt file in this folder")
        source = found[0]
    if not source.is_file():
        raise DataError(f"--data {source}: there is no such file or folder")
    return source.stem, source.read_text(encoding="utf-8")


def _standard_library() -> str:
    """The beginning of all modules in alphabetical order, ASCII alone."""
    parts: list[str] = []
    length = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        source = path.read_text(encoding="utf-8", errors="ignore")
        parts.append("".join(c for c in source if c == "\n" or " " <= c <= "~"))
        length += len(parts[-1])
        if length > _STANDARD_LIBRARY_CHARACTERS:
            break
    return "".join(parts)[:_STANDARD_LIBRARY_CHARACTERS]


def fingerprint(*arrays: NDArray[Any]) -> str:
    """A hash of some arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
