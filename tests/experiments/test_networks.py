"""A network that is described once is the same function in three frameworks, and trains alike with every optimizer."""

import json

import numpy as np
import pytest
import torch

from experiments.lib.networks.architectures import describe
from experiments.lib.networks.layers import Convolution, Dense, Flatten, MaxPool, MeanOverPixels, Network, Relu
from experiments.lib.networks.torch_network import TorchNetwork, torch_initial_weights

_NETWORKS = {
    "character_gpt": {"name": "character_gpt", "width": 8, "blocks": 2, "heads": 2},
    "network_in_network": {"name": "network_in_network", "width": 12},
    "convnet": {"name": "convnet", "widths": [3, 5]},
    "perceptron": {"name": "perceptron", "widths": [6]},
}

_OPTIMIZERS = {
    "INNAprop": {"lr": 1e-3, "alpha": 0.1, "beta": 0.9, "weight_decay": 0.01},
    "INDIAN": {"lr": 0.1, "alpha": 0.5, "beta": 0.2},
    "SGD-Nesterov": {"lr": 0.05, "momentum": 0.9},
    "SGD": {"lr": 0.1},
}

# Compilation takes seconds, so every network and every optimizer once is enough.
_CASES = [
    *(("network_in_network", "SGD"), ("convnet", "INDIAN"), ("perceptron", "SGD-Nesterov")),
    ("character_gpt", "INNAprop"),
]

_TRAIN = """
import json, sys
import numpy as np
from experiments.lib.runs import one_thread
one_thread()
from experiments.lib.networks.architectures import describe
from experiments.lib.trainers import trainer

cases, networks, optimizers = json.loads(sys.argv[1])
generator = np.random.default_rng(0)
images = generator.standard_normal((3, 4, 9, 8, 2)), generator.integers(0, 5, (3, 4))
text = generator.integers(0, 5, (2, 3, 4, 6))
arrays = {}
for framework in ("torch", "keras", "jax"):
    for network, optimizer in cases:
        x, y = text if network == "character_gpt" else images
        settings = optimizers[optimizer]
        described = describe(networks[network], x.shape[2:], 5)
        model = trainer(framework, described, described.initial_weights(1), optimizer, settings, "float64")
        key = f"{framework} {network} {optimizer}"
        arrays[f"{key} start"] = np.array(model.evaluate(x[0], y[0]))
        arrays[f"{key} loss"] = np.array([model.step(*batch, settings["lr"]) for batch in zip(x, y)])
        arrays[f"{key} end"] = np.concatenate([weight.ravel() for weight in model.weights()])
np.savez(sys.argv[2], x=images[0][0], y=images[1][0], **arrays)
"""


@pytest.fixture(scope="module")
def trained(run_python, tmp_path_factory):
    """What every framework made of the same three batches."""
    path = tmp_path_factory.mktemp("trained") / "trained.npz"
    result = run_python("-c", _TRAIN, json.dumps([_CASES, _NETWORKS, _OPTIMIZERS]), path)
    assert result.returncode == 0, result.stderr
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("framework", ["keras", "jax"])
@pytest.mark.parametrize(("network", "optimizer"), _CASES)
def test_training_is_the_same_as_in_torch(trained, framework, network, optimizer):
    for quantity, tolerance in (("start", 1e-11), ("loss", 1e-11), ("end", 1e-9)):
        found, expected = (trained[f"{name} {network} {optimizer} {quantity}"] for name in (framework, "torch"))
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    losses = trained[f"torch {network} {optimizer} loss"]
    assert len(set(losses.tolist())) == 3


def _convolve(x, kernel, stride):
    size = len(kernel)
    padded = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijco->nhwo", windows, kernel, optimize=True)


def _logits(network: Network, weights, x):
    remaining = iter(weights)
    for layer in network.layers:
        match layer:
            case Convolution(_, _, stride):
                x = _convolve(x, next(remaining), stride) + next(remaining)
            case Dense():
                x = x @ next(remaining) + next(remaining)
            case Relu():
                x = np.maximum(x, 0)
            case MaxPool():
                n, height, width, channels = x.shape
                x = x[:, : height // 2 * 2, : width // 2 * 2]
                x = x.reshape(n, height // 2, 2, width // 2, 2, channels).max((2, 4))
            case Flatten():
                x = x.reshape(len(x), -1)
            case MeanOverPixels():
                x = x.mean((1, 2))
    return x


@pytest.mark.parametrize(("name", "optimizer"), _CASES[:3])
def test_loss_at_the_start_is_that_of_the_described_layers_in_numpy(trained, name, optimizer):
    network = describe(_NETWORKS[name], (9, 8, 2), 5)
    weights = network.initial_weights(1)
    assert sum(weight.size for weight in weights) == network.number_of_parameters()
    logits = _logits(network, weights, trained["x"])
    labels = trained["y"]
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels])
    accuracy = np.mean(logits.argmax(axis=1) == labels)
    np.testing.assert_allclose(trained[f"torch {name} {optimizer} start"], [loss, accuracy], rtol=1e-12)


def test_initial_weights_are_decided_by_the_seed_and_scaled_to_their_layer():
    network = describe({"name": "convnet", "widths": [64, 64]}, (8, 8, 3), 10)
    first, again, other = (network.initial_weights(seed) for seed in (0, 0, 1))
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[0], other[0])
    for kernel, gain in zip(first[::2], (2, 2, 1), strict=True):
        np.testing.assert_allclose(kernel.std(), np.sqrt(gain / np.prod(kernel.shape[:-1])), rtol=0.05)
    assert not any(bias.any() for bias in first[1::2])


def test_paper_network_has_about_a_million_parameters():
    assert 0.9e6 < describe({"name": "network_in_network"}, (32, 32, 3), 10).number_of_parameters() < 1.1e6


def test_network_of_studies_in_torch_is_that_of_the_described_layers_and_starts_as_torch_initializes():
    network = describe({"name": "strided_network_in_network", "width": 4}, (9, 8, 2), 5)
    weights = torch_initial_weights(network, seed=3)
    made = TorchNetwork(network, weights)
    generator = torch.Generator().manual_seed(3)
    for param in made.parameters():
        expected = torch.zeros_like(param)
        if param.ndim > 1:
            torch.nn.init.kaiming_normal_(expected, nonlinearity="relu", generator=generator)
        assert torch.equal(param, expected)
    images = np.random.default_rng(0).standard_normal((3, 9, 8, 2))
    found = made.double()(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(found, _logits(network, weights, images), rtol=1e-12, atol=1e-12)
