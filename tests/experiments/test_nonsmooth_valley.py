"""The paper's Figure 1: one descent in every framework, and its oscillations counted."""

import csv
import json

import numpy as np
import pytest

from experiments.papers.nonsmooth_valley.loss import START, gradient, loss
from experiments.papers.nonsmooth_valley.report import SETTINGS, SPEEDS, redraw, statements
from experiments.papers.nonsmooth_valley.runs import descend, job, sign_changes

_FRAMEWORKS = ("torch", "keras", "jax")
_STEPS = 1000

_DESCEND_IN_EACH = f"""
import json
from experiments.lib.runs import one_thread
one_thread()
from experiments.papers.nonsmooth_valley.runs import descend, job
frameworks = {_FRAMEWORKS}
print(json.dumps({{f: descend(job(f, 0.5, 0.01, 1.0, 1e-3, {_STEPS}).configuration) for f in frameworks}}))
"""


@pytest.fixture(scope="module")
def descents(run_python):
    """The same short descent in every framework."""
    result = run_python("-c", _DESCEND_IN_EACH)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def quick(run_python, tmp_path_factory):
    """What the command prints, and the folder that it writes to."""
    folder = tmp_path_factory.mktemp("nonsmooth_valley")
    arguments = ("--scale", "quick", "--framework", "jax", "--workers", 1, "--output", folder)
    result = run_python("-m", "experiments", "nonsmooth_valley", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout, folder


@pytest.mark.parametrize("theta", [START, (0.3, -0.2), (2.0, 1.0), (-0.5, 0.4)])
def test_gradient_is_the_slope_of_the_loss(theta):
    theta, h = np.array(theta), 1e-6
    slopes = [(loss(theta + h * unit) - loss(theta - h * unit)) / (2 * h) for unit in np.eye(2)]
    np.testing.assert_allclose(gradient(theta), slopes, rtol=1e-7, atol=1e-7)


def test_minimum_is_where_the_paper_says():
    assert loss((1.0, 1.0)) == 0


@pytest.mark.parametrize(
    ("values", "tolerance", "changes"),
    [
        ([1, -1, 1], 0.5, 2),
        ([1, 0.4, -0.4, 0.4, 1], 0.5, 0),
        ([1, 0.4, -0.4, -1], 0.5, 1),
        ([1, 0, -1], 0, 1),
        ([], 0, 0),
    ],
)
def test_sign_changes_within_the_tolerance_do_not_count(values, tolerance, changes):
    assert sign_changes(np.array(values, float), tolerance) == changes


@pytest.mark.parametrize("framework", _FRAMEWORKS)
def test_every_framework_goes_the_way_of_the_phase_form(framework, descents):
    """The bound of the parity suite for a framework's own gradients over this many steps."""
    expected = descend(job("numpy", 0.5, 0.01, 1.0, 1e-3, _STEPS).configuration)
    found = descents[framework]
    assert found["distance"] <= 1e-9
    assert len(found["theta"]) == _STEPS + 1
    np.testing.assert_allclose(found["theta"], expected["theta"], rtol=1e-9)
    assert {name: found[name] for name in ("across", "along")} == {name: expected[name] for name in ("across", "along")}


def test_paper_s_statements_hold(quick):
    printed, _ = quick
    assert [line.split("*")[2].split(":")[0].strip() for line in printed.splitlines() if line[:1].isdigit()] == [
        "Held"
    ] * 4


def test_statements_that_fail_are_said_to_fail():
    counts = {"across": 3, "along": 3, "last_above": 10, "step": list(range(8)), "loss": [1.0] * 8}
    said = statements({("at rest", setting): counts for setting in SETTINGS})
    assert said.count("Did not hold") == 4


def test_command_writes_figure_tables_and_configuration(quick, figures):
    printed, folder = quick
    drawn = figures(folder)
    assert "figure_1.svg" in drawn
    redraw(folder)
    assert figures(folder) == drawn
    assert (folder / "table.md").read_text(encoding="utf-8") in printed
    with (folder / "oscillations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["start"], float(row["alpha"]), float(row["beta"])) for row in rows] == [
        (name, *setting) for name in SPEEDS for setting in SETTINGS
    ]
    configuration = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))
    assert len(configuration["runs"]) == 6
    assert {run["step_size"] for run in configuration["runs"]} == {1e-3}
