"""The demo's network is the same function in the three frameworks, and each differentiates it rightly."""

import numpy as np
import pytest

from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.task import NETWORK

_WEIGHTS = [f"{layer}_{kind}" for layer in ("convolution_1", "convolution_2", "linear") for kind in ("kernel", "bias")]

# The first step of SGD with Nesterov momentum μ is −lr(1 + μ) times the gradient, so the demo's own training step
# shows the gradient. Biases other than zero, so that no ReLU sits at its kink.
_FIRST_STEP = """
import sys
import numpy as np
from experiments.demo.optimizers import OPTIMIZERS
from experiments.demo.task import NETWORK, Task
from experiments.lib.trainers import trainer

task = Task(epochs=1, seed=0, dtype="float64")
generator = np.random.default_rng(1)
weights = [w + 0.05 * generator.standard_normal(w.shape) for w in NETWORK.initial_weights(task.seed)]
batch = next(task.batches())
name, given = OPTIMIZERS["SGD"].name, OPTIMIZERS["SGD"].in_torch_names()
model = trainer(sys.argv[1], NETWORK, weights, name, given, task.dtype)
loss, accuracy = model.evaluate(*batch)
loss_of_step = model.step(*batch, given["lr"])
arrays = {}
for key, before, after in zip(sys.argv[3:], weights, model.weights(), strict=True):
    arrays |= {key: before, f"gradient_{key}": (before - after) / (given["lr"] * (1 + given["momentum"]))}
np.savez(sys.argv[2], images=batch.images, labels=batch.labels, loss=loss, loss_of_step=loss_of_step,
         accuracy=accuracy, **arrays)
"""


@pytest.fixture(scope="module", params=FRAMEWORKS)
def first_step(request, run_python, tmp_path_factory):
    """What one framework makes of the first batch."""
    path = tmp_path_factory.mktemp("first_step") / "first_step.npz"
    result = run_python("-c", _FIRST_STEP, request.param, path, *_WEIGHTS)
    assert result.returncode == 0, result.stderr
    with np.load(path) as arrays:
        return dict(arrays)


def _convolution(images, kernel, bias, stride):
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel, optimize=True) + bias


def _logits(weights, images):
    x = images
    for name, stride in (("convolution_1", 1), ("convolution_2", 2)):
        x = np.maximum(_convolution(x, weights[f"{name}_kernel"], weights[f"{name}_bias"], stride), 0)
    return x.reshape(len(x), -1) @ weights["linear_kernel"] + weights["linear_bias"]


def _loss(weights, images, labels):
    logits = _logits(weights, images)
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels])


def test_loss_and_accuracy_are_those_of_the_network_in_numpy(first_step):
    images, labels = first_step["images"], first_step["labels"]
    for loss in ("loss", "loss_of_step"):
        np.testing.assert_allclose(first_step[loss], _loss(first_step, images, labels), rtol=1e-13)
    assert first_step["accuracy"] == np.mean(_logits(first_step, images).argmax(axis=1) == labels)


@pytest.mark.parametrize("name", _WEIGHTS)
def test_gradient_is_the_slope_of_the_network_in_numpy(first_step, name):
    gradient = first_step[f"gradient_{name}"]
    generator = np.random.default_rng(2)
    for _ in range(5):
        direction = generator.standard_normal(gradient.shape)
        step = 1e-7 * direction
        up, down = (
            _loss(first_step | {name: first_step[name] + s}, first_step["images"], first_step["labels"])
            for s in (step, -step)
        )
        slope = np.sum(gradient * direction)
        np.testing.assert_allclose((up - down) / 2e-7, slope, atol=1e-6 * np.linalg.norm(gradient))


def test_initial_weights_of_the_demo_are_those_that_its_figures_were_drawn_from():
    weights = NETWORK.initial_weights(0)
    assert [weight.shape for weight in weights] == [(3, 3, 1, 16), (16,), (3, 3, 16, 32), (32,), (512, 10), (10,)]
    generator = np.random.default_rng(0)
    first, second = (generator.normal(0.0, np.sqrt(2 / np.prod(s[:-1])), s) for s in ((3, 3, 1, 16), (3, 3, 16, 32)))
    last = generator.uniform(-np.sqrt(6 / 522), np.sqrt(6 / 522), (512, 10))
    for found, expected in zip(weights[::2], (first, second, last), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert not any(bias.any() for bias in weights[1::2])
