"""Every experiment runs at the quick scale, writes what it promises, and computes nothing twice."""

import csv
import importlib
import json

import pytest

_EXPERIMENTS = [
    *("character_gpt", "cifar_convnet", "network_in_network", "network_in_network_workshop", "defaults", "family_map")
]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_experiment_writes_figure_tables_and_configuration_and_resumes(name, tmp_path, capsys):
    arguments = ["--scale", "quick", "--workers", "1", "--output", str(tmp_path)]
    main = importlib.import_module(f"experiments.{name}").main
    main(arguments)
    first = capsys.readouterr()
    assert list(tmp_path.glob("*.png"))
    assert all(path.read_bytes().startswith(_PNG_SIGNATURE) for path in tmp_path.glob("*.png"))
    with (tmp_path / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    stored = sorted((tmp_path / "runs").iterdir())
    assert len(rows) >= len(stored) > 0
    configuration = json.loads((tmp_path / "configuration.json").read_text(encoding="utf-8"))
    assert configuration["versions"]["numpy"]
    assert (tmp_path / "table.md").read_text(encoding="utf-8") in first.out
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file() and path.suffix != ".png"}
    times = [path.stat().st_mtime_ns for path in stored]

    main(arguments)
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs").iterdir())] == times
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in files} == files


def test_velocity_dtypes_are_compared_in_a_table(tmp_path, capsys):
    from experiments.velocity_dtype import SETTINGS, SGD_SETTINGS, main

    main(["--scale", "quick", "--seeds", "1", "--output", str(tmp_path)])
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.count("|") for row in rows] == [2 + len(SGD_SETTINGS)] * (1 + len(SETTINGS))
