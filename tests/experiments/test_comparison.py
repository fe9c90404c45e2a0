"""A comparison gives every optimizer the same budget, chooses without test data, and says where one loses."""

import pytest

from experiments.lib import comparison
from experiments.lib.comparison import Contestant, Entry, Goal, Protocol
from experiments.papers import network_in_network, network_in_network_workshop
from experiments.papers.image_classification import PEERS, indian, settings_label

_CONSTANT = {"kind": "constant"}


def _run(*losses, accuracy=0.5, diverged=False):
    n = len(losses)
    return {
        "step": [10 * k for k in range(n)],
        "cpu_seconds": [2.0 * k for k in range(n)],
        "training_loss": list(losses),
        "validation_loss": list(losses),
        "test_loss": list(losses),
        "test_accuracy": [accuracy] * n,
        "diverged": diverged,
    }


def _entry(label, *runs, trials=({"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}), chosen=0):
    contestant = Contestant(label, "SGD", trials, _CONSTANT)
    results = [_run(3.0, 2.0), _run(3.0, diverged=True), _run(3.0, 1.0)][: len(trials)]
    return Entry(contestant, results, trials[chosen], list(runs))


@pytest.fixture
def found():
    return {
        "slow": _entry("slow", _run(4.0, 3.0, 2.5), _run(4.0, 3.0, 2.7)),
        "reference": _entry("reference", _run(4.0, 3.0, 2.0), _run(4.0, 3.0, 2.0), chosen=2),
        "fast": _entry("fast", _run(4.0, 2.0, 1.0), _run(4.0, 1.0, 1.0), chosen=1),
        "wild": _entry("wild", _run(4.0, 2.0), _run(4.0, diverged=True)),
    }


def test_trial_with_the_smallest_loss_that_did_not_diverge_is_chosen(found):
    entry = found["slow"]
    assert comparison.best(entry.contestant.trials, entry.trials, "validation_loss") == {"lr": 0.3}
    with pytest.raises(ValueError, match="never chosen by test data"):
        comparison.best(entry.contestant.trials, entry.trials, "test_loss")


def test_table_says_when_the_goal_is_reached_and_what_diverged(found):
    lines = comparison.table(found, Goal("reference", "validation_loss"), accuracy=True, sort_by="training_loss")
    header, _, *rows = (line.strip("| ").split(" | ") for line in lines.splitlines() if line.startswith("|"))
    cells = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert list(cells) == ["fast", "reference", "slow", "wild"]
    assert [row["steps to reference's end"] for row in cells.values()] == ["8", "20", "not reached", "not reached"]
    assert cells["fast"]["CPU s to reference's end"] == "2"
    assert cells["slow"]["training loss"] == "2.600 (2.500–2.700)"
    assert cells["wild"]["training loss"] == "diverged in 1 of 2 runs"
    assert cells["slow"]["trials that diverged"] == "1 of 3"
    assert [row["chosen"] for row in cells.values()] == [
        *("lr 0.2", "lr 0.3 (the largest tried)", "lr 0.1 (the smallest tried)", "lr 0.1 (the smallest tried)")
    ]


def test_csv_rows_hold_every_trial_and_every_point(found):
    rows = comparison.run_rows(found, images="some")
    assert [row["stage"] for row in rows].count("search") == 12
    assert [row["stage"] for row in rows].count("final") == 8
    assert {row["images"] for row in rows} == {"some"}
    assert len(comparison.curve_rows(found)) == 3 * 6 + 2 + 1


def test_unequal_budgets_are_refused(tmp_path):
    contestants = [
        Contestant("one", "SGD", [{"lr": 0.1}], _CONSTANT),
        Contestant("two", "SGD", [{"lr": 0.1}, {"lr": 0.2}], _CONSTANT),
    ]
    protocol = Protocol({}, {}, "torch", contestants, 1, 1, 1, 1, 1, {})
    with pytest.raises(ValueError, match="the same number of trials"):
        comparison.compare(protocol, None, tmp_path, 1)


def test_contestants_of_the_figures_have_equal_budgets_and_labels_of_their_own():
    contestants = network_in_network.contestants()
    assert {len(contestant.trials) for contestant in contestants} == {5}
    assert len({contestant.label for contestant in contestants}) == len(contestants) == 13
    for contestant in contestants:
        rates = [trial["lr"] for trial in contestant.trials]
        assert len(set(rates)) == 5
        assert min(rates) < rates[0] < max(rates)


@pytest.mark.parametrize("holds", [True, False])
def test_claims_of_the_paper_are_judged_by_the_final_runs(holds):
    good, bad = (_run(3.0, 0.1, accuracy=0.9), _run(3.0, 2.0, accuracy=0.6))
    labels = [c.label for c in network_in_network.contestants()]
    slower = {settings_label(0.5, 0.1, 0.125), settings_label(0.5, 0.1, 0.0625), "SGD", "AdaGrad"}
    runs = {label: bad if label in slower else good for label in labels}
    runs["Adam"] = _run(3.0, 0.2, accuracy=0.8)
    runs[settings_label(0.5, 0.1, 0.25)] = _run(3.0, 0.05)
    if not holds:
        runs[settings_label(0.5, 0.1)] = runs[settings_label(0.1, 0.1)] = _run(3.0, 2.5, accuracy=0.5)
        runs[settings_label(0.5, 0.1, 0.25)] = _run(3.0, 2.7)
    found = {label: [run] for label, run in runs.items()}
    assert [claim.held for claim in network_in_network.claims({"some": found})] == [holds] * 5
    if not holds:
        runs["SGD"] = _run(3.0, 0.01, accuracy=0.95)
    found = {label: [run] for label, run in runs.items()}
    found[settings_label(0.5, 0.5)] = [good]
    assert [claim.held for claim in network_in_network_workshop.claims("some", found)] == [holds] * 2


def test_papers_schedules_are_used():
    assert indian(0.5, 0.1).schedule == {"kind": "power", "exponent": 0.5}
    assert PEERS["SGD"].schedule == {"kind": "power", "exponent": 0.5}
    assert PEERS["Adam"].schedule == PEERS["AdaGrad"].schedule == {"kind": "constant"}
