"""The theorems as numbers: solutions and predictions that are known otherwise, and the command."""

import csv
import json
import math

import numpy as np
import pytest

from experiments.papers.theorems import (
    convergence_rate,
    critical_points,
    energy_of_steps,
    energy_rates,
    relu_regression,
    step_size_assumption,
)
from experiments.papers.theorems.inclusion import solve
from experiments.papers.theorems.landscapes import LANDSCAPES, LINES
from experiments.papers.theorems.report import PARTS
from indian_core.dynamics import pre_form, velocity_step
from indian_core.reference import trajectory
from indian_core.schedules import PowerDecay


@pytest.fixture(scope="module")
def quick(run_python, tmp_path_factory):
    """What the command prints for the parts that take seconds, and the folder that it writes to."""
    folder = tmp_path_factory.mktemp("theorems")
    result = run_python("-m", "experiments", "theorems", "--scale", "quick", "--workers", 1, "--output", folder)
    assert result.returncode == 0, result.stderr
    return result.stdout, folder


def table_rows(text, columns):
    """The cells of the rows of a Markdown table with so many columns, header and rule aside."""
    lines = [line.replace(r"\|", "¦").strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line] for line in lines if len(line) == columns]
    return rows[2:]


@pytest.mark.parametrize("name", LANDSCAPES)
def test_gradients_are_the_slopes_of_the_losses(name):
    landscape, h = LANDSCAPES[name], 1e-6
    theta = np.array(landscape.start) + 0.1
    slopes = [(landscape.loss(theta + h * e) - landscape.loss(theta - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(landscape.gradient(theta), slopes, rtol=1e-7)


@pytest.mark.parametrize("name", LINES)
def test_slopes_belong_to_the_losses_on_every_piece(name):
    line, h = LINES[name], 1e-6
    theta = np.array([-1.5, -0.5, 0.3, 1.2])
    np.testing.assert_allclose(line.slope(theta), (line.loss(theta + h) - line.loss(theta - h)) / (2 * h), rtol=1e-6)
    for kink in line.kinks:
        assert line.loss(kink - 1e-12) == pytest.approx(line.loss(kink + 1e-12), abs=1e-9)


@pytest.mark.parametrize("name", ["|θ|", "max(−θ, θ²)"])
def test_solutions_of_the_inclusion_are_the_limits_of_small_steps(name):
    """Euler's method converges to the solution also across kinks and along them."""
    line, step_size = LINES[name], 2e-4
    steps = round(6 / step_size)
    run = trajectory(
        lambda theta, k: line.slope(theta), [line.start], step_size, steps, alpha=0.5, beta=0.1, initial_speed=None
    )
    times = step_size * np.arange(0, steps + 1, 100)
    np.testing.assert_allclose(solve(line, 0.5, 0.1, times).theta, run.theta[::100, 0], atol=2e-3)


def test_solution_at_rest_in_a_kink_stays_while_its_velocity_decays():
    times = np.linspace(0, 20, 201)
    solution = solve(LINES["|θ|"], 0.5, 0.1, times)
    resting = np.flatnonzero(solution.theta == 0)
    assert len(resting) > 50
    assert np.all(np.diff(resting) == 1)
    assert resting[-1] == 200
    np.testing.assert_allclose(
        solution.velocity[resting][1:6] / solution.velocity[resting][:5], math.exp(-1), rtol=1e-9
    )


def test_rest_in_a_kink_of_falling_slopes_ends_when_the_velocity_leaves_them():
    """The slopes are −2 and −1. For α = 4 and β = 1, m is −3/2 when it comes, and −3/2 e^(−t) rises to −1 at rest."""
    line = LINES["|θ|"]._replace(slopes=(lambda x: -2.0, lambda x: -1.0), start=-5.0)
    solution = solve(line, 4.0, 1.0, np.linspace(0, 20, 20_001))
    resting = solution.t[solution.theta == 0]
    assert resting[-1] - resting[0] == pytest.approx(math.log(1.5), abs=2e-3)
    assert solution.theta[-1] > 1


def test_energies_fall_at_the_corrected_rates_and_not_at_the_printed_ones(quick):
    rows = table_rows((quick[1] / "energy_rates.md").read_text(encoding="utf-8"), 6)
    assert len(rows) == len(LANDSCAPES) + len(energy_rates.KINKED)
    for _, *cells in rows:
        *corrected, minimum, maximum = map(float, cells)
        assert max(corrected) <= 1e-10
        assert min(minimum, maximum) > 0.1


def test_losses_fall_at_the_predicted_powers_within_their_bounds(quick):
    rows = table_rows((quick[1] / "convergence_rate.md").read_text(encoding="utf-8"), 9)
    assert len(rows) == len(LINES)
    compared = 0
    for name, _, predicted, *found, _, last, within, _ in rows:
        assert within == "yes", name
        assert float(last) < 0.1
        for power in found:
            if power != "0" and name != "θ⁸":
                assert float(power.removeprefix("t^")) == pytest.approx(float(predicted.removeprefix("t^")), abs=0.05)
                compared += 1
    assert compared >= 6


def test_bound_solves_its_equation():
    t, h = np.array([0.5, 3.0]), 1e-5
    for exponent in (0.5, 0.75, 0.95):
        value = convergence_rate.bound(t, 2.0, exponent, 0.3)
        slope = (
            convergence_rate.bound(t + h, 2.0, exponent, 0.3) - convergence_rate.bound(t - h, 2.0, exponent, 0.3)
        ) / (2 * h)
        np.testing.assert_allclose(slope, -0.3 * value ** (2 * exponent), rtol=1e-6)


def test_kurdyka_s_inequality_holds_at_random_points():
    line, generator = LINES["θ⁴"], np.random.default_rng(0)
    exponent, constant = convergence_rate.kurdyka(line, 0.5, 0.1, 2.1)
    theta = generator.uniform(-1, 1, 10_000) * 10.0 ** generator.uniform(-3, 0, 10_000)
    velocity = generator.uniform(-1, 1, 10_000) * 10.0 ** generator.uniform(-6, 0, 10_000)
    energy = 2 * 1.05 * theta**4 + velocity**2
    steepness = (2 * 1.05 * 4 * theta**3 + 2 * 9.5 * velocity) ** 2 + (20 * velocity) ** 2
    inside = energy <= 2.1
    assert np.all(steepness[inside] >= 0.999 * constant * energy[inside] ** (2 * exponent))


def test_energy_of_the_steps_tends_to_that_of_the_solution_at_first_order(quick):
    text = (quick[1] / "energy_of_steps.md").read_text(encoding="utf-8")
    orders = [float(row[2]) for row in table_rows(text, 4)[1:]]
    assert orders == pytest.approx([1.0] * len(orders), abs=0.1)


def test_steps_on_quadratics_raise_the_energy_only_above_the_largest_monotone_step_size():
    rows = energy_of_steps.run_quadratic({"starts": 2000, "seed": 1})["rows"]
    for row in rows:
        assert row["raised_at_0.5"] == row["raised_at_0.99"] == 0
        assert row["raised_at_1.5"] > row["raised_at_1.01"] > 0


def test_regression_is_a_quadratic_whose_d_critical_points_are_not_all_critical():
    theta = np.array([[0.3, -0.7], [1.5, 0.0], [-1.0, 0.5]])
    constant = relu_regression.loss(np.zeros(2))
    np.testing.assert_allclose(relu_regression.loss(theta), constant + (theta**2 - theta).sum(axis=1))
    for point in (-1.0, -0.125, 0.0, 0.125, 0.5, 2.0):
        low, high = relu_regression.clarke_intervals(point).sum(axis=0)
        assert low <= 2 * point - 1 <= high
        assert (low <= 0 <= high) == (point in relu_regression.D_CRITICAL)
        assert (low < high) == (point == 0)


def test_gradient_of_a_batch_is_in_the_sum_of_the_clarke_intervals():
    generator = np.random.default_rng(0)
    for theta in (-0.4, 0.0, 0.7):
        batch = relu_regression.subsets(generator, 50)
        found = relu_regression.batch_gradient(np.full((50, 2), theta), batch)
        low, high = np.moveaxis((batch[..., None] * relu_regression.clarke_intervals(theta)).sum(axis=2), -1, 0)
        assert np.all((low <= found) & (found <= high))
    assert not relu_regression.batch_gradient(np.zeros((50, 2)), batch).any()


def test_batches_are_nonempty_and_hold_each_sample_equally_often():
    batches = relu_regression.subsets(np.random.default_rng(0), 40_000)
    assert batches.sum(axis=(1, 2)).min() == 1
    np.testing.assert_allclose(batches.mean(axis=0), relu_regression.SHARE, atol=0.01)


def test_a_unit_at_0_stays_there_and_one_beside_it_leaves():
    starts = np.array([[0.0, 1.0], [1e-9, 1.0]])
    path = relu_regression.follow(PowerDecay(0.4, 0.75), starts, 0.5, 0.5, [2000], seed=0)
    assert path.theta[-1, 0, 0] == 0
    assert path.theta[-1, 0, 1] == pytest.approx(0.5, abs=0.2)
    np.testing.assert_allclose(path.theta[-1, 1], 0.5, atol=0.2)


def test_runs_from_random_starts_end_near_the_critical_point(quick):
    rows = table_rows((quick[1] / "critical_points.md").read_text(encoding="utf-8"), 10)
    ends = {(row[0], row[1]): [int(cell) for cell in row[2:7]] for row in rows}
    assert ends["random", "0.75"][0] > 40
    assert ends["θ₁ = 0", "0.75"][1] > 40
    assert ends["θ = 0", "0.75"] == [0, 0, 0, critical_points.RUNS, 0]


def test_automatic_differentiation_is_wrong_at_the_kink(quick):
    rows = table_rows((quick[1] / "critical_points.md").read_text(encoding="utf-8"), 3)
    assert [row[1:] for row in rows] == [["1", "0"], ["0", "-1"], ["-1", "0"]]


def test_spread_at_a_constant_step_size_is_the_predicted_one():
    configuration = {"step_size": 0.05, "duration": 100.0, "runs": 100, "seed": 3, "alpha": 0.5, "beta": 0.5}
    found = step_size_assumption.run_noise(configuration)
    assert found["spread"] == pytest.approx(found["predicted"], rel=0.05)


def test_cycle_around_a_kink_is_one():
    width = step_size_assumption.cycle(0.1, 0.5, 0.5)
    coefficients = pre_form(0.1, 0.5, 0.5)
    velocities = [m for m in np.linspace(-0.5, 0.5, 100_001) if abs(m - 0.5 + width / 0.1) < 1e-5]
    displacement, after = velocity_step(width / 2, velocities[0], 1.0, coefficients)
    assert displacement == pytest.approx(-width, rel=1e-3)
    assert after == pytest.approx(-velocities[0], abs=1e-4)


def test_command_writes_figures_tables_and_configuration(quick, figures):
    printed, folder = quick
    assert {f"{part}.svg" for part in PARTS} <= figures(folder).keys()
    for part in PARTS:
        assert (folder / f"{part}.md").read_text(encoding="utf-8") in printed
    for name in ("energy_rates", "convergence_rate", "energy_of_steps", "critical_points", "constant_steps"):
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) > 2
    configuration = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))
    assert list(configuration["jobs"]) == list(PARTS)
