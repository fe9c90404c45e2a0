"""Paths on quadratics: methods with fixed steps are what their names say, and steps to the border of an ellipsoid."""

import csv
import json
import math

import numpy as np
import pytest

from experiments.papers import trust_region_quadratics as quadratics
from experiments.papers.trust_region_quadratics import EPSILON, METHODS, PROBLEMS, START, Run, minimize, steps_to

ILL = PROBLEMS["ill-conditioned"]


def test_gradient_descent_and_adagrad_follow_their_own_formulas():
    descent = minimize(ILL, START, METHODS["gradient descent"], 0.02, steps=20)
    adagrad = minimize(ILL, START, METHODS["AdaGrad"], 0.5, steps=20)
    point, other, squares = START, START, np.zeros(2)
    for step in range(20):
        point = point - 0.02 * ILL @ point
        gradient = ILL @ other
        squares = squares + gradient**2
        other = other - 0.5 * gradient / (np.sqrt(squares) + EPSILON)
        np.testing.assert_allclose(descent.points[step + 1], point, rtol=1e-9)
        np.testing.assert_allclose(adagrad.points[step + 1], other, rtol=1e-9)


@pytest.mark.parametrize("name", ["gradient descent", "AdaGrad", "full AdaGrad"])
def test_a_fixed_step_ends_on_the_border_of_its_ellipsoid(name):
    run = minimize(ILL, START, METHODS[name], 0.02, steps=5)
    for step, matrix, radius in zip(np.diff(run.points, axis=0), run.matrices, run.radii, strict=True):
        assert math.sqrt(step @ matrix @ step) == pytest.approx(radius)


@pytest.mark.parametrize(("name", "turns"), [("gradient descent", True), ("AdaGrad", False), ("full AdaGrad", True)])
@pytest.mark.parametrize("order", ["", "first-order TR, "])
def test_only_the_diagonal_norm_knows_where_the_axes_are(name, turns, order):
    name = f"{order}{name}".replace("TR, gradient descent", "TR, ball")
    turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / math.sqrt(2)
    along = minimize(ILL, START, METHODS[name], 0.5, steps=10)
    across = minimize(PROBLEMS["ill-conditioned, turned by 45°"], turn @ START, METHODS[name], 0.5, steps=10)
    assert np.allclose(along.losses, across.losses, rtol=1e-3) is turns


def test_trust_regions_never_raise_the_loss_and_the_second_order_needs_two_steps_where_the_radius_allows():
    for name, method in METHODS.items():
        if method.rule != "fixed step":
            assert (np.diff(minimize(ILL, START, method, 1.0, steps=30).losses) <= 0).all(), name
    newton = minimize(ILL, START, METHODS["second-order TR, ball"], 100.0, steps=3)
    # The first ends within the tolerance of conjugate gradients.
    assert newton.losses[2] < 1e-12 * newton.losses[0]


def test_steps_are_counted_until_the_loss_stays_below():
    run = Run(np.zeros((5, 2)), np.array([1.0, 0.05, 0.3, 0.04, 0.01]), [], [])
    assert steps_to(run, 0.1) == 3
    assert steps_to(run, 1e-3) == math.inf


def test_a_constant_that_first_raises_the_loss_is_not_chosen(monkeypatch):
    # 100 is the luck that `best` speaks of: 4 steps, the first to 3000 times the loss.
    monkeypatch.setattr(quadratics, "GRID", (1.8, 100.0))
    constant, run = quadratics.best(ILL, START, METHODS["AdaGrad"])
    assert constant == 1.8
    assert steps_to(minimize(ILL, START, METHODS["AdaGrad"], 100.0)) < steps_to(run)


def test_experiment_writes_its_figures_and_table(monkeypatch, tmp_path, figures):
    monkeypatch.setattr(quadratics, "GRID", (0.018, 0.032))
    monkeypatch.setattr(quadratics, "MOST_STEPS", 20)
    quadratics.main(["--output", str(tmp_path)])
    drawn = figures(tmp_path)
    assert {"paths.svg", "twins.svg"} < drawn.keys()
    assert {path.name for path in tmp_path.iterdir()} == drawn.keys() | {"table.md", "losses.csv", "configuration.json"}
    assert len((tmp_path / "table.md").read_text().splitlines()) == 2 + len(METHODS)
    with (tmp_path / "losses.csv").open(encoding="utf-8", newline="") as file:
        assert {row["method"] for row in csv.DictReader(file)} == set(METHODS)
    configuration = json.loads((tmp_path / "configuration.json").read_text(encoding="utf-8"))
    assert (configuration["step_sizes_and_first_radii"], configuration["most_steps"]) == ([0.018, 0.032], 20)
    assert configuration["versions"]["numpy"]
