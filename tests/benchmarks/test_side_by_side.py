"""The timing of several contenders in turns, and the table of it."""

import time

import pytest

from benchmarks.side_by_side import Report, machine, measure, table


def test_contenders_take_turns_in_alternating_order() -> None:
    calls: list[str] = []
    seconds = measure({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2, calls=1)
    # One call that is not timed, and one that is.
    assert calls == list("aabb" + "bbaa")
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_time_is_per_call() -> None:
    seconds = measure({"sleep": lambda: time.sleep(0.01)}, rounds=1, calls=3)
    assert seconds["sleep"][0] >= 0.01


def test_ratio_is_the_median_of_the_ratios_within_a_round() -> None:
    lines = table({"ours": [1.0, 3.0, 4.0], "peer": [2.0, 3.0, 1.0]}, ["peer"]).splitlines()
    assert lines[0] == "|  | median, ms | ratio to peer |"
    assert lines[2] == "| ours | 3000 | 1.00 (0.75–2.50) |"
    assert lines[3] == "| peer | 2000 | 1 |"


def test_one_round_has_no_quartiles_to_show() -> None:
    assert table({"ours": [1.0], "peer": [2.0]}, ["peer"], unit="µs").splitlines()[2].endswith("0.50 (0.50–0.50) |")


def test_machine_names_the_versions() -> None:
    assert f"numpy {__import__('numpy').__version__}" in machine("numpy")


def test_report_prints_and_saves_its_paragraphs(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.add("first")
    report.add("second")
    report.save(tmp_path / "new" / "report.md")
    assert capsys.readouterr().out == "first\n\nsecond\n\n"
    assert (tmp_path / "new" / "report.md").read_text() == "first\n\nsecond\n"
