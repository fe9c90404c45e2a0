"""The demo: from the command line to its files, and what its tables and figure say."""

import csv
import importlib.util
import json

import numpy as np
import pytest

from experiments.demo import main
from experiments.demo.distances import pairwise_distances, relative_distances
from experiments.demo.figure import draw
from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.optimizers import OPTIMIZERS
from experiments.demo.processes import FrameworkError, run_frameworks
from experiments.demo.tables import distance_table, result_table, write_csv
from experiments.demo.task import Task
from experiments.demo.training import Run


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def made_up_runs():
    """Runs in which the frameworks are a known distance apart: 0.001 · step of the norm, per framework."""

    def run(framework_number):
        steps = np.arange(3)
        trajectory = np.ones((3, 4))
        trajectory[:, 0] -= 0.001 * framework_number * steps
        return Run(steps, np.exp(-steps), 1 - 0.5**steps / 20, steps, trajectory, np.array(1.5))

    return {optimizer: {name: run(i) for i, name in enumerate(FRAMEWORKS)} for optimizer in OPTIMIZERS}


def test_demo_in_one_framework_writes_its_files_and_compares_with_nothing(run_python, tmp_path, figures):
    result = run_python("-m", "experiments", "demo", "--framework", "jax", "--epochs", 1, "--output", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "One framework was trained" in result.stdout
    assert "Keras" not in result.stdout
    assert "demo.svg" in figures(tmp_path / "out")
    assert _rows(tmp_path / "out" / "distances.csv") == []
    configuration = json.loads((tmp_path / "out" / "configuration.json").read_text(encoding="utf-8"))
    assert configuration["frameworks"] == ["jax"]
    assert configuration["optimizers"]["INDIAN"]["alpha"] == 0.25
    assert set(configuration["versions"]) == {"python", "numpy", "jax", "optax", "indian"}
    for optimizer in OPTIMIZERS:
        losses = [
            float(r["training_loss"]) for r in _rows(tmp_path / "out" / "curves.csv") if r["optimizer"] == optimizer
        ]
        assert losses[-1] < 0.9 * losses[0], f"{optimizer} does not train: {losses}"


def test_relative_distance_divides_by_the_larger_norm():
    a, b = np.array([[3.0, 0.0], [1.0, 1.0]]), np.array([[3.0, 4.0], [1.0, 1.0]])
    np.testing.assert_allclose(relative_distances(a, b), [0.8, 0.0])
    np.testing.assert_allclose(relative_distances(b, a), [0.8, 0.0])


def test_every_pair_of_frameworks_is_compared(made_up_runs):
    distances = pairwise_distances(made_up_runs["INDIAN"])
    assert list(distances) == [("torch", "keras"), ("torch", "jax"), ("keras", "jax")]
    np.testing.assert_allclose([values[-1] for values in distances.values()], [1e-3, 2e-3, 1e-3], rtol=2e-3)


def test_tables_show_the_last_evaluation_and_the_largest_distance(made_up_runs):
    header, *rows = result_table(made_up_runs).splitlines()
    assert header.split() == ["optimizer", "framework", "training", "loss", "test", "accuracy", "seconds"]
    assert rows[0].split() == ["INDIAN", "PyTorch", "0.135335", "98.75%", "1.5"]
    assert len(rows) == len(OPTIMIZERS) * len(FRAMEWORKS)
    header, *rows = distance_table(made_up_runs).splitlines()
    assert header.split() == ["optimizer", "PyTorch–Keras", "PyTorch–JAX", "Keras–JAX"]
    assert rows[0].split() == ["INDIAN", "1.0e-03", "2.0e-03", "1.0e-03"]


def test_csv_files_hold_every_point(made_up_runs, tmp_path):
    curves, distances = map(_rows, write_csv(made_up_runs, tmp_path))
    assert len(curves) == len(OPTIMIZERS) * 3 * 3
    assert len(distances) == len(OPTIMIZERS) * 3 * 3
    last = distances[-1]
    assert (last["optimizer"], last["framework"], last["other_framework"], last["step"]) == (
        "Adam",
        "keras",
        "jax",
        "2",
    )
    np.testing.assert_allclose(float(last["relative_distance"]), 1e-3, rtol=2e-3)


@pytest.mark.parametrize("frameworks", [["jax"], ["torch", "keras"], list(FRAMEWORKS)])
def test_figure_can_be_drawn_for_any_number_of_frameworks(made_up_runs, frameworks, tmp_path, figures):
    runs = {
        optimizer: {name: by_framework[name] for name in frameworks} for optimizer, by_framework in made_up_runs.items()
    }
    draw(runs, tmp_path / "figure")
    assert "figure.svg" in figures(tmp_path)


def test_figure_of_identical_trajectories_can_be_drawn(made_up_runs, tmp_path, figures):
    runs = {o: dict.fromkeys(("torch", "jax"), by_framework["torch"]) for o, by_framework in made_up_runs.items()}
    draw(runs, tmp_path / "figure")
    assert "figure.svg" in figures(tmp_path)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_missing_framework_names_what_to_install(framework, monkeypatch):
    find_spec = importlib.util.find_spec
    hidden = FRAMEWORKS[framework].modules[-1]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == hidden else find_spec(name))
    with pytest.raises(SystemExit) as error:
        main(["--framework", framework])
    assert f"{hidden} is not installed" in str(error.value)
    assert f"pip install 'indian[{FRAMEWORKS[framework].extra}]'" in str(error.value)
    assert f"--framework {framework}" not in str(error.value)


def test_error_in_a_framework_stops_the_demo_and_is_shown(tmp_path):
    with pytest.raises(FrameworkError, match=r"(?s)Training in JAX failed:.*float99"):
        run_frameworks(["jax"], Task(epochs=1, seed=0, dtype="float99"), tmp_path, report=lambda *_: None)
