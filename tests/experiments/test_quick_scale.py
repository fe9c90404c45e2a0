"""Every experiment runs at the quick scale, writes what it promises, and computes nothing twice."""

import csv
import importlib
import json
from pathlib import Path

import pytest

from experiments.__main__ import experiment_modules, experiment_summaries
from experiments.__main__ import main as run_experiments

_EXPERIMENTS = [
    *("character_gpt", "cifar_convnet", "network_in_network", "network_in_network_workshop", "defaults", "family_map"),
    "low_precision_state",
]

_PICTURES = ["norm_ellipsoids"]
_IN_FILES_OF_THEIR_OWN = [
    *("damping", "demo", "hessian_diagonal", "hyperparameter_grid", "nonsmooth_valley", "learning_rates"),
    *("oscillator", "theorems"),
    *("trust_region_networks", "trust_region_quadratics", "trust_region_step"),
]


def test_every_experiment_is_run():
    tested = [*_EXPERIMENTS, *_PICTURES, *_IN_FILES_OF_THEIR_OWN]
    assert sorted(tested) == sorted(experiment_summaries())
    here = Path(__file__)
    for name in _IN_FILES_OF_THEIR_OWN:
        assert here.with_name(f"test_{name}.py").exists()


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_experiment_writes_figure_tables_and_configuration_and_resumes(name, tmp_path, capsys, figures):
    arguments = ["--scale", "quick", "--workers", "1", "--output", str(tmp_path)]
    main = importlib.import_module(experiment_modules()[name]).main
    main(arguments)
    first = capsys.readouterr()
    drawn = figures(tmp_path)
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    stored = sorted((tmp_path / "runs").iterdir())
    assert len(rows) >= len(stored) > 0
    configuration = json.loads((tmp_path / "configuration.json").read_text(encoding="utf-8"))
    assert configuration["versions"]["numpy"]
    assert (tmp_path / "table.md").read_text(encoding="utf-8") in first.out
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file() and path.name not in drawn}
    times = [path.stat().st_mtime_ns for path in stored]

    main(arguments)
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs").iterdir())] == times
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in files} == files
    for path in tmp_path.iterdir():
        if path.name in drawn:
            path.unlink()
    run_experiments(["redraw", name, str(tmp_path)])
    assert figures(tmp_path) == drawn


def test_states_and_velocities_in_16_and_32_bits_are_compared_in_two_tables(tmp_path):
    from experiments.studies.low_precision_state import SGD_SETTINGS, main, states, velocities

    main(["--scale", "quick", "--seeds", "1", "--workers", "1", "--output", str(tmp_path)])
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        losses = [f"{float(run['training_loss']):.4f}" for run in csv.DictReader(file)]
    assert len(losses) == len(states()) + len(velocities())
    # The runs are in the order of the tables, those of the second with one rate and momentum after the other.
    rows = _table_rows(tmp_path / "table.md")[1:]
    assert losses[: len(rows)] == [row.split("|")[2].split()[0] for row in rows]
    assert sum("velocity in bfloat16" in row for row in rows) == sum("velocity in float32" in row for row in rows) == 5
    assert not any("nan" in row or "diverged" in row for row in rows)
    header, *rows = _table_rows(tmp_path / "velocities.md")
    assert header.count("|") == 2 + len(SGD_SETTINGS)
    assert losses[len(states()) :] == [cell.split()[0] for row in rows for cell in row.split("|")[2:-1]]


def _table_rows(path):
    return [
        line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|") and "---" not in line
    ]


def test_picture_of_the_norms_and_its_table_are_written(tmp_path, capsys, figures):
    from experiments.pictures.norm_ellipsoids import main

    main(["--output", str(tmp_path)])
    assert "norm_ellipsoids.svg" in figures(tmp_path)
    with (tmp_path / "steps.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 6
    configuration = json.loads((tmp_path / "configuration.json").read_text(encoding="utf-8"))
    assert configuration["versions"]["numpy"]
    assert configuration["curvatures"] == [1.0, 30.0]
    along, across = capsys.readouterr().out.splitlines()[2:]
    degrees = [[float(cell.strip(" °")) for cell in line.split("|")[2:5]] for line in (along, across)]
    assert max(degrees[0][1:]) < degrees[0][0] / 3
    assert min(degrees[1][1:]) > degrees[1][0] - 1
