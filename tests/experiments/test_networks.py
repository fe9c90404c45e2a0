"""The digits network is the same function in the three frameworks, and each differentiates it rightly."""

import numpy as np
import pytest

from experiments.demo.frameworks import FRAMEWORKS
from experiments.lib.digits import Weights

# The first step of SGD with Nesterov momentum μ is −lr(1 + μ) times the gradient, so the demo's own training step
# shows the gradient. Biases other than zero, so that no ReLU sits at its kink.
_FIRST_STEP = """
import sys
import numpy as np
from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.optimizers import SGD
from experiments.demo.task import Task
from experiments.lib.digits import Weights

task = Task(epochs=1, seed=0, dtype="float64")
generator = np.random.default_rng(1)
weights = Weights(*(w + 0.05 * generator.standard_normal(w.shape) for w in task.initial_weights()))
batch = next(task.batches())
trainer = FRAMEWORKS[sys.argv[1]].trainer()(weights, "SGD", task.dtype)
loss, accuracy = trainer.evaluate(batch)
trainer.step(batch)
after = trainer.weights()
gradient = {f"gradient_{k}": (b - a) / (SGD.learning_rate * (1 + SGD.momentum))
            for k, b, a in zip(weights._fields, weights, after)}
np.savez(sys.argv[2], images=batch.images, labels=batch.labels, loss=loss, accuracy=accuracy,
         **weights._asdict(), **gradient)
"""


@pytest.fixture(scope="module", params=FRAMEWORKS)
def first_step(request, run_python, tmp_path_factory):
    """What one framework makes of the first batch."""
    path = tmp_path_factory.mktemp("first_step") / "first_step.npz"
    result = run_python("-c", _FIRST_STEP, request.param, path)
    assert result.returncode == 0, result.stderr
    with np.load(path) as arrays:
        return dict(arrays)


def _convolution(images, kernel, bias, stride):
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel, optimize=True) + bias


def _logits(weights, images):
    x = np.maximum(_convolution(images, weights.convolution_1_kernel, weights.convolution_1_bias, 1), 0)
    x = np.maximum(_convolution(x, weights.convolution_2_kernel, weights.convolution_2_bias, 2), 0)
    return x.reshape(len(x), -1) @ weights.linear_kernel + weights.linear_bias


def _loss(weights, images, labels):
    logits = _logits(weights, images)
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels])


def test_loss_and_accuracy_are_those_of_the_network_in_numpy(first_step):
    weights = Weights(*(first_step[field] for field in Weights._fields))
    images, labels = first_step["images"], first_step["labels"]
    np.testing.assert_allclose(first_step["loss"], _loss(weights, images, labels), rtol=1e-13)
    assert first_step["accuracy"] == np.mean(_logits(weights, images).argmax(axis=1) == labels)


@pytest.mark.parametrize("field", Weights._fields)
def test_gradient_is_the_slope_of_the_network_in_numpy(first_step, field):
    weights = Weights(*(first_step[field] for field in Weights._fields))
    gradient = first_step[f"gradient_{field}"]
    generator = np.random.default_rng(2)
    for _ in range(5):
        direction = generator.standard_normal(gradient.shape)
        step = 1e-7 * direction
        up, down = (
            _loss(weights._replace(**{field: getattr(weights, field) + s}), first_step["images"], first_step["labels"])
            for s in (step, -step)
        )
        slope = np.sum(gradient * direction)
        np.testing.assert_allclose((up - down) / 2e-7, slope, atol=1e-6 * np.linalg.norm(gradient))
