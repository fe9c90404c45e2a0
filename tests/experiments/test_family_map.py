"""The map of the family: its coordinates are what they say, and its verdicts follow from the runs."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from experiments.lib import training
from experiments.lib.comparison import Contestant, Entry
from experiments.lib.data import images
from experiments.studies.family_map import common_settings, figure, verdicts
from experiments.studies.family_map.outcomes import Outcome, TaskMap, best, difference
from experiments.studies.family_map.points import (
    NESTEROV,
    PAIRS,
    Point,
    adam,
    at_rest,
    in_framework,
    nesterov,
    on_map,
    pair,
    place,
    points,
)
from experiments.studies.family_map.tasks import SCALES, map_at
from indian_core.dynamics import pre_form

_GRID = SCALES["standard"].grid()


@pytest.mark.parametrize("point", [Point(0.0, 1.0), Point(0.5, 3.0), Point(0.9, 1.9), Point(0.98, 24.0)])
def test_constant_gradient_moves_the_parameters_by_the_effective_learning_rate(point):
    given = at_rest(0.3, point)
    step = pre_form(given["lr"], given["alpha"], given["beta"], initial_speed=given["initial_speed"])
    velocity, moves = 0.0, []
    for _ in range(1500):
        moves.append(step.theta_velocity * velocity + step.theta_gradient)
        velocity = step.velocity_velocity * velocity + step.velocity_gradient
    assert moves[-1] == pytest.approx(-0.3, rel=1e-9)
    assert moves[0] == pytest.approx(-0.3 * point.first_move, rel=1e-9)
    assert place(given) == pytest.approx(point, rel=1e-9)


@pytest.mark.parametrize("point", [Point(0.5, 0.5), Point(0.9, 1.9), Point(0.9, 12.0), Point(0.99, 24.0)])
def test_constant_step_from_rest_is_quasi_hyperbolic_momentum(point):
    # Ma and Yarats (2019): the step is a mixture of the gradient and of its running mean.
    share = (1 - point.first_move) / point.momentum
    given = at_rest(0.2, point)
    step = pre_form(given["lr"], given["alpha"], given["beta"], initial_speed=given["initial_speed"])
    velocity = mean = 0.0
    for gradient in np.random.default_rng(0).normal(size=200):
        move = step.theta_velocity * velocity + step.theta_gradient * gradient
        velocity = step.velocity_velocity * velocity + step.velocity_gradient * gradient
        mean = point.momentum * mean + (1 - point.momentum) * gradient
        assert move == pytest.approx(-0.2 * ((1 - share) * gradient + share * mean), abs=1e-12)


def test_grid_has_both_lines_and_about_as_many_points_on_each_side_of_nesterov():
    assert len(set(_GRID)) == len(_GRID)
    for momentum in SCALES["standard"].momenta:
        assert {Point(momentum, 1.0), Point(momentum, nesterov(momentum))} <= set(_GRID)
    beyond = sum(point.beyond_nesterov for point in _GRID)
    assert abs(2 * beyond - len(_GRID)) <= 4
    assert not Point(0.9, nesterov(0.9)).beyond_nesterov
    assert Point(0.9, 2.0).beyond_nesterov
    assert points([0.5], [2.0, 24.0]) == [Point(0.5, 2.0)]


@pytest.mark.parametrize("scale", SCALES)
def test_every_contestant_has_as_many_learning_rates(scale):
    sizes = SCALES[scale]
    rates = sizes.effective_rates
    made = [*(on_map(point, rates) for point in sizes.grid()), *(pair(*each, rates) for each in PAIRS)]
    made += [*(adam(momentum, sizes.adam_rates) for momentum in sizes.momenta), in_framework(0.9, rates)]
    assert {len({trial["lr"] for trial in contestant.trials}) for contestant in made} == {len(rates)}
    assert len({contestant.label for contestant in made}) == len(made)
    for contestant in made:
        for rate, trial in zip(rates, contestant.trials, strict=True):
            if contestant.optimizer == "INDIAN":
                assert trial["lr"] / trial["alpha"] == pytest.approx(rate)
            elif contestant.optimizer == "SGD-Nesterov":
                assert trial["lr"] / (1 - trial["momentum"]) == pytest.approx(rate)


def test_point_on_the_nesterov_line_trains_as_the_frameworks_sgd():
    point = Point(0.9, nesterov(0.9))
    ours, theirs = on_map(point, [0.2]), in_framework(0.9, [0.2])
    described = images("digits", None, training=64, validation=32, test=0)
    ends = [
        training.train(
            {
                "data": described,
                "network": {"name": "perceptron", "widths": [8]},
                "framework": "torch",
                "optimizer": contestant.optimizer,
                "hyperparameters": contestant.trials[0],
                "schedule": contestant.schedule,
                "batch_size": 16,
                "steps": 12,
                "seed": 0,
                "evaluate": {"every": 12, "validation": 32},
            },
            None,
        )["validation_loss"]
        for contestant in (ours, theirs)
    ]
    assert ends[0] == pytest.approx(ends[1], rel=1e-5)
    assert ends[0][-1] != pytest.approx(ends[0][0], rel=1e-2)


def test_learning_rates_are_chosen_on_a_seed_and_images_that_no_verdict_is_about():
    protocol = next(iter(map_at(SCALES["quick"], None, None, "torch").protocols.values()))
    contestant = protocol.contestants[0]
    trial = protocol.run(contestant, contestant.trials[0], 0, search=True)
    assert "test" not in trial["evaluate"]
    assert protocol.choose_by == "validation_loss"
    assert 0 not in protocol.final_seeds()


# --- Verdicts, on results that are made up ----------------------------------------------------------------------------


def _outcome(label, trials, ends, *, chosen=0, diverged=0):
    """With learning rates 1, 2, 3, and final runs whose loss and accuracy are ``ends``."""
    runs = [
        {
            "diverged": number < diverged,
            **{f"{part}_loss": [3.0, end] for part in ("training", "validation", "test")},
            "test_accuracy": [0.1, end],
        }
        for number, end in enumerate(ends)
    ]
    return Outcome(label, {"lr": 0.1, "alpha": 0.5, "beta": 0.1}, "", trials[chosen], trials, runs)


def _map(losses):
    """A task with a final accuracy for every point; the trials say the same in other words."""
    made = {point: _outcome(point.label, [1 - loss, 2.0], [loss, loss + 0.01]) for point, loss in losses.items()}
    adams = {momentum: _outcome("Adam", [0.5, 2.0], [0.5, 0.5]) for momentum in (0.5, 0.9)}
    pairs = {each: _outcome("pair", [0.5, 2.0], [0.5, 0.5]) for each in PAIRS}
    return TaskMap(made, adams, (Point(0.9, 1.9), made[Point(0.9, nesterov(0.9))]), pairs)


@pytest.fixture
def task():
    grid = points([0.5, 0.9], [0.5, 1.0, NESTEROV, 3.0, 6.0])
    return _map({point: 0.3 + 0.05 * number for number, point in enumerate(grid)})


def test_chosen_trial_at_the_edge_of_the_learning_rates_is_named(task):
    trials = [{"lr": 0.2}, {"lr": 0.1}, {"lr": 0.3}]
    losses = (2.0, 1.0, 9.0)
    results: list[Mapping[str, Any]] = [
        {"validation_loss": [3.0, loss], "validation_accuracy": [0.1, 1 / loss], "diverged": loss > 5}
        for loss in losses
    ]
    entry = Entry(Contestant("one", "SGD", trials, {}), results, trials[1], [])
    outcome = Outcome.of("one", entry)
    assert outcome.edge == "smallest"
    assert outcome.search_loss == 1.0
    assert outcome.accuracies == [0.5, 1.0, 0.0]
    assert Outcome.of("one", entry._replace(chosen=trials[0])).edge == ""
    point = next(iter(task.points))
    marked = task._replace(points={**task.points, point: task.points[point]._replace(edge="largest")})
    assert "- some, largest: (0.5, 0.5)\n" in verdicts.edges({"some": marked}) + "\n"


def test_best_is_chosen_by_the_trial_and_not_by_the_final_runs():
    promising = _outcome("promising", [0.1, 2.0], [0.2, 0.2])
    lucky = _outcome("lucky", [0.2, 2.0], [0.9, 0.9])
    assert best([lucky, promising]) is promising


@pytest.mark.parametrize("number", [1, 2, 4])
def test_best_of_some_is_the_mean_over_all_choices(number):
    outcomes = [_outcome("", [loss, 9.0], [end, end]) for loss, end in ((0.3, 0.5), (0.1, 0.7), (0.4, 0.2), (0.2, 0.1))]
    chosen = [best(choice).mean("test_accuracy") for choice in itertools.combinations(outcomes, number)]
    assert verdicts.best_of_some(outcomes, number, "test_accuracy") == pytest.approx(np.mean(chosen))


def test_differences_are_those_of_the_same_seed():
    one, other = _outcome("", [1.0], [0.5, 0.9]), _outcome("", [1.0], [0.4, 0.7])
    assert difference(one, other, "test_accuracy", 1, scale=100) == "+15.0 (+10.0 to +20.0)"
    assert difference(other, one, "test_accuracy", 1, scale=100) == "−15.0 (−20.0 to −10.0)"
    assert difference(one, _outcome("", [1.0], [0.4, 0.7], diverged=1), "test_accuracy", 1) == "diverged"


def test_sides_of_the_nesterov_line_are_compared_by_their_best(task):
    lines = verdicts.sides({"some": task}).splitlines()[2:]
    assert "μ = 0.9, β/γ = 6 |" in lines[0]
    assert "μ = 0.9, β/γ = 1.9 |" in lines[1]
    # The grid grows by 0.05 from point to point: from (0.9, 1.9) over (0.9, 3) to (0.9, 6).
    assert "+10.0 (+10.0 to +10.0)" in lines[3]
    rows = verdicts.by_row(task).splitlines()[2:]
    assert [row.split(" | ")[3] for row in rows] == ["3 (of 1)", "6 (of 2)"]
    columns = verdicts.by_column(task).splitlines()[2:]
    assert [row.split(" | ")[0] for row in columns] == ["| 0.5", "| 1", "| 1 + μ", "| 3", "| 6"]


def test_setting_for_all_tasks_is_the_one_with_the_smallest_regret_on_its_worse_task():
    grid = points([0.9], [1.0, NESTEROV, 3.0])
    trials = {point: on_map(point, [0.1, 0.2]) for point in grid}

    def of(losses):
        return _map(dict.fromkeys(grid, 0.5))._replace(
            points={point: _outcome("", each, [0.5]) for point, each in zip(grid, losses, strict=True)}
        )

    maps = {"first": of([[0.9, 0.3], [0.8, 0.85], [0.0, 0.6]]), "second": of([[0.2, 0.1], [0.45, 0.3], [0.5, 0.0]])}
    settings = common_settings.best_settings(maps, trials, 2)
    assert [(setting.point, setting.regret) for setting in settings] == [
        (grid[1], pytest.approx(0.1)),
        (grid[1], pytest.approx(0.2)),
    ]
    assert settings[0].hyperparameters == trials[grid[1]].trials[0]
    assert [contestant.label for contestant in common_settings.contestants(settings)][-1] == "the default"


def test_cells_of_a_row_touch_and_hold_their_point():
    cells = figure._cells(_GRID)
    for point, cell in cells.items():
        assert cell.left < point.ratio < cell.right
        assert cell.bottom < 1 / (1 - point.momentum) < cell.top
    for momentum in SCALES["standard"].momenta:
        row = sorted((cell for point, cell in cells.items() if point.momentum == momentum), key=lambda cell: cell.left)
        assert all(a.right == pytest.approx(b.left) for a, b in itertools.pairwise(row))


def test_figure_says_which_points_diverged(task, tmp_path, monkeypatch, figures):
    point = Point(0.9, 6.0)
    diverged = _outcome(point.label, [0.1, 2.0], [0.5, 0.5], diverged=1)
    written = []
    text = figure.plt.Axes.text

    def spy(axis, x, y, content, **options):
        written.append(content)
        return text(axis, x, y, content, **options)

    monkeypatch.setattr(figure.plt.Axes, "text", spy)
    figure.draw(tmp_path / "map.png", "some", {"some": task._replace(points={**task.points, point: diverged})})
    assert "map.svg" in figures(tmp_path)
    # One panel for the loss, one for the accuracy.
    assert written.count("1 of 2\ndiverged") == 2
    assert f"{100 * task.points[Point(0.9, 3.0)].mean('test_accuracy'):.1f}" in written
