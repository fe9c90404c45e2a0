"""The experiment that chooses the default learning rates."""

import csv
import json

import numpy as np
import pytest
from torch.nn.functional import cross_entropy

from experiments.studies.defaults import further_tasks
from experiments.studies.learning_rates import chosen, main


def test_it_writes_its_table_runs_and_configuration(tmp_path, capsys):
    main(["--scale", "quick", "--workers", "1", "--output", str(tmp_path)])
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert table.rstrip() in capsys.readouterr().out
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))
    # Two learning rates without a norm and in each of two norms, and three seeds.
    assert len(runs) == 18
    assert {run["optimizer"] for run in runs} == {"INDIAN", "INDIAN, RMSProp norm", "INDIAN, AdaGrad norm"}
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


def test_further_tasks_have_networks_for_their_images(tmp_path):
    generator = np.random.default_rng(0)
    arrays = {
        f"x_{part}": generator.integers(256, size=(7600, 16, 16, 3), dtype=np.uint8) for part in ("train", "test")
    }
    labels = {f"y_{part}": generator.integers(10, size=7600, dtype=np.uint8) for part in ("train", "test")}
    np.savez(tmp_path / "cifar10.npz", **arrays, **labels)
    assert further_tasks(None) == []
    found = {task.name: task for task in further_tasks(tmp_path)}
    assert list(found) == ["pooling", "network in network"]
    for task in found.values():
        split = task.split("validation", 1)
        loss = cross_entropy(task.network(1)(split.x_held[:64]), split.y_held[:64])
        # Logits of a network that knows nothing.
        assert 2 < loss.item() < 6
