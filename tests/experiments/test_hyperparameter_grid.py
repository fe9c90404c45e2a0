"""The grid of hyperparameters: all ways to train it agree, and the command shows what it promises."""

import csv
import json

import numpy as np
import pytest

from experiments.studies import hyperparameter_grid
from experiments.studies.hyperparameter_grid import WAYS, Settings, grid, main, make_task


@pytest.fixture(scope="module")
def task():
    return make_task(epochs=1)


@pytest.fixture(scope="module")
def outcomes(task):
    """What each way makes of three settings."""
    settings = Settings(*np.float32([[0.05, 0.1, 0.2], [0.1, 0.25, 1.0], [0.4, 0.8, 0.2]]))
    return {name: compiled(task, settings)() for name, compiled in WAYS.items()}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_trains_with_each_setting(way, task, outcomes):
    outcome, expected = outcomes[way], next(iter(outcomes.values()))
    np.testing.assert_allclose(outcome.training_loss, expected.training_loss, rtol=1e-4)
    np.testing.assert_allclose(outcome.test_accuracy, expected.test_accuracy, atol=0.01)
    untrained = hyperparameter_grid.loss(task.initial, task.x_train, task.y_train)
    assert np.all(outcome.training_loss < 0.8 * untrained)
    assert len(set(outcome.training_loss.tolist())) == 3


def test_grid_holds_every_combination_once():
    settings = grid()
    sizes = (
        len(hyperparameter_grid.ALPHAS),
        len(hyperparameter_grid.LEARNING_RATES),
        len(hyperparameter_grid.BETAS),
    )
    assert len(set(zip(*settings, strict=True))) == np.prod(sizes) == len(settings.alpha)
    # The axes of the figure: panels, rows, columns.
    for values, axis in zip((settings.alpha, settings.learning_rate, settings.beta), range(3), strict=True):
        assert np.all(np.moveaxis(values.reshape(sizes), axis, 0).std(axis=(1, 2)) < 1e-6)


def test_command_prints_its_tables_and_writes_the_figure(tmp_path, capsys, figures):
    main(["--epochs", "1", "--rounds", "1", "--output", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "80 settings, 44 steps" in printed
    for way in WAYS:
        assert f"| {way} |" in printed
    assert "ratio to one program for all settings" in printed
    assert (tmp_path / "out" / "times.md").read_text(encoding="utf-8") in printed
    assert "hyperparameter_grid.svg" in figures(tmp_path / "out")
    outcomes, times = (rows(tmp_path / "out" / f"{name}.csv") for name in ("outcomes", "times"))
    assert len({(row["way"], row["learning_rate"], row["alpha"], row["beta"]) for row in outcomes}) == 80 * len(WAYS)
    best = max(outcomes[:80], key=lambda row: (float(row["test_accuracy"]), -float(row["training_loss"])))
    assert f"{float(best['training_loss']):.4f}" in printed
    assert [row["way"] for row in times] == list(WAYS)
    configuration = json.loads((tmp_path / "out" / "configuration.json").read_text(encoding="utf-8"))
    assert (configuration["epochs"], configuration["rounds"]) == (1, 1)
    assert configuration["versions"]["jax"]


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("option", ["--epochs", "--rounds"])
def test_wrong_argument_is_an_error_that_names_it(option, capsys):
    with pytest.raises(SystemExit):
        main([option, "0"])
    assert f"argument {option}: must be a whole number >= 1, got '0'" in capsys.readouterr().err
