"""Training runs, the choice of hyperparameters, and what figures and tables show of them."""

import math
from collections import Counter

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.lib import curves, data
from experiments.lib.styles import Style
from experiments.lib.training import factor, train
from experiments.lib.tuning import SPACES, final, grid_trials, random_trials


@pytest.fixture
def configuration():
    return {
        "data": data.images("digits", None, training=400, validation=100, test=100),
        "network": {"name": "perceptron", "widths": [16]},
        "framework": "torch",
        "optimizer": "SGD-Nesterov",
        "hyperparameters": {"lr": 0.1, "momentum": 0.9},
        "schedule": {"kind": "cosine", "warmup": 0.1},
        "batch_size": 20,
        "steps": 50,
        "seed": 1,
        "evaluate": {"every": 20, "training": 400, "validation": 100},
    }


def test_run_records_the_start_every_evaluation_and_the_end(configuration):
    result = train(configuration, None)
    assert result["step"] == [0, 20, 40, 50]
    assert {key for key in result if len(np.shape(result[key])) == 1} == {
        *("step", "cpu_seconds", "training_loss", "training_accuracy", "validation_loss", "validation_accuracy")
    }
    assert result["training_loss"][-1] < 0.5 * result["training_loss"][0]
    assert result["validation_accuracy"][-1] > 0.6
    assert result["diverged"] is False
    assert result["cpu_seconds"] == sorted(result["cpu_seconds"])


def test_run_is_decided_by_its_configuration(configuration):
    def losses(**changed):
        return train(configuration | changed, None)["training_loss"]

    first = losses()
    assert first == losses()
    for changed in ({"seed": 2}, {"schedule": {"kind": "constant"}}, {"batch_size": 10}):
        assert first != losses(**changed)


def test_run_that_diverges_ends_and_says_so(configuration):
    diverging = configuration | {"hyperparameters": {"lr": 1e20, "momentum": 0.9}, "evaluate": {"every": 1, "test": 9}}
    result = train(diverging, None)
    assert result["diverged"] is True
    assert len(result["step"]) < 10
    assert final(result | {"training_loss": [1.0]}, "training_loss") == math.inf


def test_schedules_start_and_end_where_they_should():
    cosine = [factor({"kind": "cosine", "warmup": 0.1}, k, 100) for k in range(100)]
    assert cosine[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert cosine[10] == 1
    assert all(np.diff(cosine[10:]) < 0)
    assert 0 < cosine[-1] < 0.001
    assert [factor({"kind": "power", "exponent": 0.5}, k, 9) for k in (0, 3, 8)] == pytest.approx([1, 1 / 2, 1 / 3])


def test_every_optimizer_has_as_many_trials_and_the_same_ones_every_time():
    for name, (untuned, ranges) in SPACES.items():
        trials = random_trials(name, 6)
        assert trials == random_trials(name, 6)
        assert trials[:4] == random_trials(name, 4)
        assert trials[0] == untuned
        assert all(set(trial) == set(ranges) == set(untuned) for trial in trials)
        assert len(Counter(trial["lr"] for trial in trials)) == 6


def test_grid_holds_every_combination():
    trials = grid_trials(lr=(0.1, 0.2, 0.3), alpha=(0.5, 1.0))
    assert len({tuple(trial.values()) for trial in trials}) == 6


def test_no_choice_is_made_by_test_data():
    result = {"diverged": False, "validation_loss": [2.0, 1.5], "test_loss": [1.0, 1.0]}
    assert final(result, "validation_loss") == 1.5
    with pytest.raises(ValueError, match="never chosen by test data"):
        final(result, "test_loss")


def test_band_holds_the_mean_and_the_extremes_of_what_all_runs_have():
    runs = [{"step": [0, 5, 10], "loss": [3.0, 2.0, 1.0]}, {"step": [0, 5], "loss": [5.0, 1.0]}]
    found = curves.band(runs, "step", "loss")
    np.testing.assert_array_equal(found.x, [0, 5])
    np.testing.assert_array_equal(found.mean, [4, 1.5])
    np.testing.assert_array_equal(found.lowest, [3, 1])
    np.testing.assert_array_equal(found.highest, [5, 2])


def test_runs_that_diverged_are_shown_and_are_not_in_the_mean():
    figure = Figure()
    axis = figure.subplots()
    runs = [
        {"step": [0, 5], "loss": [3.0, 2.0], "diverged": False},
        {"step": [0, 5], "loss": [3.0, 1.0], "diverged": False},
        {"step": [0, 5], "loss": [4.0, math.inf], "diverged": True},
    ]
    curves.draw_runs(axis, curves.Panel("step", "loss", "step", "loss"), runs, Style("C0", "o"), "SGD")
    mean, diverged, cross = axis.get_lines()
    np.testing.assert_array_equal(mean.get_xydata(), [[0, 3.0], [5, 1.5]])
    np.testing.assert_array_equal(diverged.get_xydata(), [[0, 4.0]])
    np.testing.assert_array_equal(cross.get_xydata(), [[0, 4.0]])
    assert axis.get_legend_handles_labels()[1] == ["SGD", "SGD: a run that diverged"]


@pytest.mark.parametrize(("target", "place"), [(5.0, 0.0), (3.0, 3.0), (1.0, 10.0), (0.5, None)])
def test_place_where_a_target_is_first_reached_is_interpolated(target, place):
    run = {"step": [0, 6, 10, 14], "loss": [4.0, 2.0, 1.0, 2.0], "accuracy": [-4.0, -2.0, -1.0, -2.0]}
    assert curves.first_below(curves.band([run], "step", "loss"), target) == place
    assert curves.first_above(curves.band([run], "step", "accuracy"), -target) == place
