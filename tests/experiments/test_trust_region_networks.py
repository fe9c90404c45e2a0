"""Runs under a budget of propagated examples, and the comparison of trust regions with first-order methods."""

import numpy as np
import pytest
import torch

from experiments.lib import data
from experiments.lib.budgeted_training import thresholds, train
from experiments.lib.networks.torch_models import MODELS, build
from experiments.papers import trust_region_networks as networks
from experiments.papers.trust_region_networks import FIRST_ORDER, TRIALS


def configuration(**changed):
    return {
        "data": data.images("digits", None, training=320, validation=0, test=100),
        "network": {"name": "tanh_perceptron", "widths": [16]},
        "optimizer": "TR RMSProp",
        "hyperparameters": {"radius": 0.1, "expand_factor": 2.0},
        "batch_size": 160,
        "budget": 16_000,
        "evaluations": 5,
        "evaluate": {"training": 320, "test": 100},
        "seed": 1,
    } | changed


def test_trust_region_counts_gradients_and_products_and_learns():
    result = train(configuration(), None)
    assert len(result["training_loss"]) == 1 + 5
    assert result["training_loss"][-1] < 0.5 * result["training_loss"][0]
    calls, steps = np.array(result["backpropagations"]), np.array(result["steps"])
    assert (calls[1:] >= 2 * steps[1:]).all()
    np.testing.assert_array_equal(result["propagated"], calls * 160)
    np.testing.assert_allclose(result["epochs"], steps * 160 / 320)
    assert result["propagated"][-1] >= 16_000 > result["propagated"][-1] - 160 * 51
    assert 0 < result["accepted"][-1] <= 1
    assert not result["diverged"]


def test_first_order_method_spends_one_backpropagation_a_step():
    result = train(configuration(optimizer="Adam", hyperparameters={"lr": 0.01}, batch_size=32, budget=6400), None)
    assert result["backpropagations"] == result["steps"]
    assert result["propagated"][1:] == [-(-threshold // 32) * 32 for threshold in thresholds(6400, 5)]
    assert result["training_loss"][-1] < 0.5 * result["training_loss"][0]
    assert "radius" not in result


def test_run_is_decided_by_its_configuration():
    small = {"budget": 3200}
    first = train(configuration(**small), None)
    again = train(configuration(**small), None)
    other = train(configuration(**small, seed=2), None)
    assert first["training_loss"] == again["training_loss"]
    assert first["training_loss"] != other["training_loss"]


def test_run_that_diverges_ends_and_says_so():
    result = train(configuration(optimizer="SGD", hyperparameters={"lr": 1e38}, batch_size=32), None)
    assert result["diverged"] is True
    assert len(result["training_loss"]) < 6


def test_autoencoder_learns_its_own_input_between_0_and_1():
    network = {"name": "dense_autoencoder", "widths": [16, 8]}
    result = train(configuration(network=network, optimizer="Adam", hyperparameters={"lr": 0.01}, batch_size=32), None)
    # ln 2 is what a network says that knows nothing; of a target outside [0, 1] the loss has no lower bound.
    assert 0.1 < result["training_loss"][-1] < 0.6 < result["training_loss"][0]
    assert "training_accuracy" not in result


@pytest.mark.parametrize("name", MODELS)
def test_networks_have_the_shape_of_their_task_and_weights_by_seed(name):
    widths = [4, 6] if name != "tanh_perceptron" else [5]
    shape = (8, 12, 3)
    first, again, other = (build({"name": name, "widths": widths}, shape, 10, seed) for seed in (0, 0, 1))
    images = torch.rand(2, *shape)
    expected = (2, *shape) if name.endswith("autoencoder") else (2, 10)
    assert first(images).shape == expected
    torch.testing.assert_close(first(images), again(images), rtol=0, atol=0)
    assert not torch.equal(first(images), other(images))


def test_every_method_has_as_many_different_trials():
    numbers = {len({tuple(trial.items()) for trial in trials}) for trials in TRIALS.values()}
    assert numbers == {5}
    assert all(trials[0] == networks.PAPER_CONSTANTS for name, trials in TRIALS.items() if name not in FIRST_ORDER)


def test_experiment_writes_its_results_and_resumes(tmp_path, capsys, figures):
    arguments = ["--scale", "quick", "--seeds", "1", "--workers", "1", "--output", str(tmp_path)]
    networks.main([*arguments, "--only", "second"])
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
    second = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    networks.main(arguments)
    assert second.items() <= {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}.items()
    names = {f"by_{axis}.svg" for axis in networks.AXES} | {"ellipsoids.svg", "ellipsoids_paper_constants.svg"}
    drawn = figures(tmp_path)
    assert {name for name in drawn if name.endswith("svg")} == names
    tables = {"ellipsoids.md", "orders.md", "ends.md", "runs.csv", "curves.csv", "configuration.json"}
    assert {path.name for path in tmp_path.iterdir()} == drawn.keys() | tables | {"runs"}
    # Three networks; of each seven methods' two trials and one run, and three runs with the paper's constants.
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 1 + 3 * (7 * 3 + 3)
    assert "TR RMSProp" in capsys.readouterr().out
