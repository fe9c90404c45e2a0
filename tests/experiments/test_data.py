"""Data come from where the user says, are split without overlap, and give the same batches every time."""

import os

import numpy as np
import pytest

from experiments.lib import data
from experiments.lib.data import DataError

_COUNTS = {"training": 6, "validation": 3, "test": 4}


@pytest.fixture
def folder(tmp_path):
    """Images that differ from each other, and a text."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (14, 4, 6, 3)).astype(np.uint8)
    y = np.arange(14) % 5
    np.savez(tmp_path / "cifar10_small.npz", x_train=x[:10], y_train=y[:10, np.newaxis], x_test=x[10:], y_test=y[10:])
    (tmp_path / "some.txt").write_text("abcdefghij" * 20, encoding="utf-8")
    return tmp_path


def test_images_of_a_folder_are_split_and_standardized_by_the_training_part(folder):
    parts, classes = data.load(data.images("cifar10", folder, **_COUNTS), folder)
    assert classes == 5
    assert {part: len(examples) for part, examples in parts.items()} == _COUNTS
    assert [parts[part].y[0] for part in _COUNTS] == [0, 1, 0]
    np.testing.assert_allclose(parts["training"].x.mean((0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(parts["training"].x.std((0, 1, 2)), 1, atol=1e-5)
    images = np.concatenate([examples.x for examples in parts.values()])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 13


def test_halved_images_average_four_pixels(folder):
    full, _ = data.load(data.images("cifar10", folder, **_COUNTS), folder)
    halved, _ = data.load(data.images("cifar10", folder, **_COUNTS, halved=True), folder)
    assert halved["test"].x.shape == (4, 2, 3, 3)
    pooled = full["test"].x.reshape(4, 2, 2, 3, 2, 3).mean((2, 4))
    correlation = np.corrcoef(pooled[..., 0].ravel(), halved["test"].x[..., 0].ravel())
    np.testing.assert_allclose(correlation, 1, atol=1e-5)


def test_fingerprint_tells_other_images_apart(folder):
    first = data.images("cifar10", folder, **_COUNTS)
    with np.load(folder / "cifar10_small.npz") as file:
        arrays = dict(file)
    arrays["x_train"][0, 0, 0, 0] ^= 1
    np.savez(folder / "cifar10_other.npz", **arrays)
    other = data.images("cifar10", folder / "cifar10_other.npz", **_COUNTS)
    assert first.pop("fingerprint") != other.pop("fingerprint")
    assert first == other


def test_digits_need_no_file():
    parts, classes = data.load(data.images("digits", None, training=1000, validation=437, test=360), None)
    assert classes == 10
    assert parts["test"].x.shape == (360, 8, 8, 1)


@pytest.mark.parametrize(
    ("name", "counts", "message"),
    [
        ("mnist", _COUNTS, "there is no mnist.npz or mnist_"),
        ("cifar10", _COUNTS | {"training": 8}, "10 training and 4 test images here; the experiment asks for 8 . 3"),
        ("imagenet", _COUNTS, "no images named 'imagenet'"),
    ],
)
def test_images_that_cannot_be_had_are_an_error_that_says_what_is_missing(folder, name, counts, message):
    with pytest.raises(DataError, match=message):
        data.images(name, folder, **counts)


def test_folder_or_file_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        data.images("mnist", tmp_path / "none", **_COUNTS)
    with pytest.raises(DataError, match=r"no \.txt file"):
        data.text(tmp_path, context=4)
    np.savez(tmp_path / "mnist.npz", x_train=np.zeros(1))
    with pytest.raises(DataError, match="lacks the arrays x_test, y_test, y_train"):
        data.images("mnist", tmp_path / "mnist.npz", **_COUNTS)


def test_without_a_file_and_a_network_there_are_the_digits_or_an_error_that_says_what_to_do(
    run_python, tmp_path, monkeypatch
):
    # Nothing listens at this address, and nothing has been downloaded before.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:9")
    monkeypatch.setitem(os.environ, "KERAS_HOME", str(tmp_path))
    script = """
from experiments.lib import data
counts = {"training": 8000, "validation": 2000, "test": 5000}
found = data.images_or_digits("cifar10", None, **counts, halved=True)
print([found[key] for key in ("name", "training", "validation", "test", "halved")])
data.images("mnist", None, **counts)
"""
    result = run_python("-c", script)
    assert "DownloadError: mnist could not be downloaded" in result.stderr
    assert "Name a folder with mnist.npz: --data DIR" in result.stderr
    assert "['digits', 1149, 287, 360, False]" in result.stdout
    assert "handwritten digits take the place of cifar10" in result.stderr


def test_digits_do_not_take_the_place_of_what_the_user_names(folder):
    with pytest.raises(DataError, match=r"there is no mnist\.npz"):
        data.images_or_digits("mnist", folder, **_COUNTS)
    assert data.images_or_digits("cifar10", folder, **_COUNTS) == data.images("cifar10", folder, **_COUNTS)


def test_text_is_split_in_order_and_every_label_is_the_next_character(folder):
    description = data.text(folder, context=4)
    assert (description["characters"], description["vocabulary"]) == (200, 10)
    parts, classes = data.load(description, folder)
    assert classes == 10
    assert {part: len(examples) for part, examples in parts.items()} == {"training": 176, "validation": 6, "test": 6}
    x, y = parts["training"].take(np.array([0, 13, 175]))
    np.testing.assert_array_equal(x, [[0, 1, 2, 3], [3, 4, 5, 6], [5, 6, 7, 8]])
    np.testing.assert_array_equal(y, (x + 1) % 10)


def test_pieces_to_evaluate_on_do_not_overlap(folder):
    parts, _ = data.load(data.text(folder, context=4), folder)
    x, _ = parts["training"].spread(1000)
    assert x.shape == (44, 4)
    np.testing.assert_array_equal(x.ravel(), np.arange(176) % 10)
    assert parts["training"].spread(3)[0].shape == (3, 4)


def test_sources_of_the_standard_library_are_the_text_that_every_machine_has():
    description = data.text(None, context=8)
    assert description["characters"] > 1_000_000
    assert 90 <= description["vocabulary"] <= 96
    assert description == data.text(None, context=8)


def test_batches_pass_over_all_examples_in_an_order_that_the_seed_decides():
    order = data.batches(12, batch_size=4, seed=3)
    passes = [np.concatenate([next(order) for _ in range(3)]) for _ in range(2)]
    for indices in passes:
        np.testing.assert_array_equal(np.sort(indices), np.arange(12))
    assert not np.array_equal(*passes)
    np.testing.assert_array_equal(next(data.batches(12, 4, seed=3)), passes[0][:4])
    assert not np.array_equal(next(data.batches(12, 4, seed=4)), passes[0][:4])


def test_batch_larger_than_the_data_is_an_error():
    with pytest.raises(ValueError, match=r"batch_size must be in 1\.\.3"):
        next(data.batches(3, batch_size=4, seed=0))
