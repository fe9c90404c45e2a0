"""The experiment that chooses the learning rates of the norms."""

import csv
import json

import pytest

from experiments.studies.norm_learning_rates import chosen, main


def test_it_writes_its_table_runs_and_configuration(tmp_path, capsys):
    main(["--scale", "quick", "--workers", "1", "--output", str(tmp_path)])
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.rstrip() in capsys.readouterr().out
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))
    # Two learning rates in each of two norms, and three seeds.
    assert len(runs) == 12
    assert {run["optimizer"] for run in runs} == {"INDIAN, RMSProp norm", "INDIAN, AdaGrad norm"}
    assert all(float(run["accuracy"]) > 30 for run in runs)
    assert json.loads((tmp_path / "configuration.json").read_text(encoding="utf-8"))["learning_rates"]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({0.1: [90.0, 40.0], 0.01: [89.8, 40.0], 0.001: [80.0, 41.0]}, 0.01),
        ({0.1: [90.0, 40.0], 0.01: [89.2, 40.0]}, 0.1),
        ({0.1: [90.0, 30.0], 0.01: [85.0, 40.0]}, 0.01),
    ],
)
def test_it_takes_the_smallest_of_those_that_lose_least_on_their_worst_task(scores, expected):
    assert chosen(scores) == expected
