"""The study of the damping: its optimizers are what they are called, its choices are fair, its command resumes."""

import csv
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from experiments.lib.jax_releases import enable_x64
from experiments.studies.damping import main, plans, training
from experiments.studies.damping.contestants import BASES, PEERS, VARIANTS, Contestant, Grid, Trial, contestants, drawn
from experiments.studies.damping.optimizers import KINDS, kind
from experiments.studies.damping.rules import RULES, Row, judge
from experiments.studies.damping.stages import Searched

_HIDDEN = [True, False, False]
_GIVEN = {"lr": 0.01, "momentum": 0.9, "norm_decay": 0.99, "weight_decay": 0.1, "alpha": 2.0, "beta": 0.3}


@pytest.fixture(autouse=True)
def fast_compiler() -> Iterator[None]:
    """Programs that take a few steps need not be fast."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def _weights() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(size=shape) for shape in ((4, 6), (5, 3), (4,))]


def _path(transformation_of_step, steps: int = 12) -> list[np.ndarray]:
    """Where a transformation leads on a fixed sequence of gradients, whose learning rate changes."""
    weights = [jnp.asarray(weight) for weight in _weights()]
    generator = np.random.default_rng(1)

    @jax.jit
    def step(weights, state, gradients, lr):
        updates, state = transformation_of_step(lr).update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state

    state = transformation_of_step(0.0).init(weights)
    for k in range(steps):
        gradients = [jnp.asarray(generator.normal(size=weight.shape)) for weight in weights]
        weights, state = step(weights, state, gradients, 0.01 * (1 + k % 3))
    return [np.asarray(weight) for weight in weights]


def _path_of(name: str, **changed: float) -> list[np.ndarray]:
    return _path(lambda lr: kind(name).make({**_GIVEN, **changed, "lr": lr}, _HIDDEN))


def _assert_same(first: list[np.ndarray], second: list[np.ndarray], tolerance: float = 1e-12) -> None:
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def _differ(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return any(np.abs(one - other).max() > 1e-4 for one, other in zip(first, second, strict=True))


# --- Optimizers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def float64_in_torch() -> Iterator[None]:
    """NAdam keeps the product of its momenta in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("float64_in_torch")
def test_torch_nadam_is_that_of_torch():
    params = [torch.nn.Parameter(torch.from_numpy(weight)) for weight in _weights()]
    nadam = torch.optim.NAdam(params, betas=(0.9, 0.99), weight_decay=0.1, decoupled_weight_decay=True)
    generator = np.random.default_rng(1)
    for k in range(12):
        for param in params:
            param.grad = torch.from_numpy(generator.normal(size=tuple(param.shape)))
        nadam.param_groups[0]["lr"] = 0.01 * (1 + k % 3)
        nadam.step()
    with enable_x64(True):
        found = _path_of("torch_nadam")
    _assert_same(found, [param.detach().numpy() for param in params], 1e-13)


@pytest.mark.parametrize(
    ("damped", "damping", "same"),
    [("damped_adamw", 1.0, "adamw"), ("damped_sgd", 1.0, "sgd"), ("damped_sgd", 1.9, "sgd_nesterov")],
)
def test_damped_optimizer_contains_the_one_it_is_compared_with(damped, damping, same):
    with enable_x64(True):
        expected = _path_of(same)
        _assert_same(_path_of(damped, damping=damping), expected)
        assert _differ(_path_of(damped, damping=3.0), expected)


def test_damped_muon_without_damping_is_muon_without_nesterov():
    dimensions = [optax.contrib.MuonDimensionNumbers() if hidden else None for hidden in _HIDDEN]

    def muon(lr):
        return optax.contrib.muon(
            lr,
            beta=0.9,
            nesterov=False,
            weight_decay=0.1,
            adam_b1=0.9,
            adam_b2=0.99,
            adam_weight_decay=0.1,
            muon_weight_dimension_numbers=dimensions,
            consistent_rms=0.2,
        )

    with enable_x64(True):
        expected = _path(muon)
        _assert_same(_path_of("damped_muon", damping=1.0), expected, 1e-5)
        assert _differ(_path_of("damped_muon", damping=3.0), expected)
        # The one with Nesterov's momentum differs in the correction of the bias alone, in its first steps.
        _assert_same(_path_of("damped_muon", damping=1.9), _path_of("muon"), 0.05)


def test_innaprop_in_adams_terms_takes_the_same_steps_at_a_constant_rate():
    grid = {"weight_decay": 0.0, "norm_decay": 0.99}
    paths = []
    for label in ("DampedAdamW, INNAprop's order", "INNAprop, α and β constant"):
        variant = VARIANTS[label]
        given = variant.trial(0.01, 0.9, 1.9, grid).hyperparameters
        paths.append((variant.optimizer, given))
    with enable_x64(True):
        damped, innaprop = (
            _path(lambda _, name=name, given=given: kind(name).make(given, _HIDDEN)) for name, given in paths
        )
        # The damped one takes the bias of its average out, which the other has for some tens of steps.
        _assert_same(damped, innaprop, 0.2)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_takes_traced_hyperparameters(name):
    weights = [jnp.asarray(weight, jnp.float32) for weight in _weights()]

    @jax.jit
    def moved(given):
        made = kind(name).make(given, _HIDDEN)
        updates, state = made.update(weights, made.init(weights), weights)
        return optax.apply_updates(weights, updates), state

    found = {lr: moved({**_GIVEN, "damping": 2.0, "lr": lr})[0] for lr in (0.01, 0.02)}
    assert all(np.isfinite(weight).all() for weights in found.values() for weight in weights)
    assert _differ(*found.values())


def test_unknown_kind_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="no kind of optimizer 'adam'; the kinds are: adamw"):
        kind("adam")


# --- Choices ----------------------------------------------------------------------------------------------------------

_GRID = Grid((0.001, 0.002, 0.004), (0.9, 0.95), {"weight_decay": 0.1, "norm_decay": 0.99})


def test_all_peers_have_as_many_trials():
    found = contestants(_GRID, list(PEERS), {})
    assert {len(each.trials) for each in found.values()} == {6}
    assert all(len({json.dumps(dict(t.hyperparameters)) for t in each.trials}) == 6 for each in found.values())


def test_dampings_that_are_another_optimizer_are_not_run_twice():
    found = contestants(_GRID, ["SGD", "SGD-Nesterov"], {"DampedSGD": [1.0, "nesterov", 5.0]})
    assert {trial.damping for trial in found["DampedSGD"].trials} == {5.0}
    without = contestants(_GRID, ["SGD"], {"DampedSGD": [1.0, "nesterov", 5.0]})
    assert {trial.damping for trial in without["DampedSGD"].trials} == {1.9, 1.95, 5.0}


def test_a_draw_is_of_the_asked_size_and_always_the_same():
    contestant = contestants(_GRID, ["AdamW"], {"DampedAdamW": [1.5, 2.0, 3.0]})["DampedAdamW"]
    assert len(set(drawn(contestant, 6))) == 6
    assert drawn(contestant, 6) == drawn(contestant, 6)
    assert drawn(contestant, 100) == list(range(18))


def test_expected_best_of_draws_is_the_mean_over_all_draws():
    losses = [3.0, 1.0, math.inf, 2.0, 5.0]
    trials = [Trial(0.1, 0.9, None, {"lr": loss}) for loss in losses]
    results = [{"diverged": math.isinf(loss), "validation_loss": [loss]} for loss in losses]
    searched = Searched(Contestant("DampedAdamW", "damped_adamw", "cosine", trials), results)
    draws = list(itertools.combinations(losses, 3))
    assert searched.expected_best(3) == pytest.approx(sum(map(min, draws)) / len(draws))
    assert searched.best().hyperparameters == {"lr": 1.0}
    among = drawn(searched.contestant, 2)
    assert searched.best_of_a_draw(2).hyperparameters["lr"] == min(losses[place] for place in among)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_found_where_its_constant_decides(name):
    rule = RULES[name]
    # The best damping at each momentum is that of the rule with this constant.
    constant = rule.constant(2.5, 0.9)
    rows = []
    for momentum in (0.8, 0.9, 0.95):
        best = rule.damping(constant, momentum)
        dampings = sorted({1.0, 1.5, best, 6.0, 12.0})
        rows.append(Row("task", momentum, dampings, [1 + abs(math.log(r / best)) for r in dampings]))
    best = judge(rows)[0]
    assert best.rule == name
    assert best.constant == pytest.approx(constant)
    assert best.mean == pytest.approx(0, abs=1e-9)
    assert best.highest == pytest.approx(best.lowest)
    assert best.damping(0.9) == pytest.approx(2.5)


def test_a_damping_that_diverges_is_the_worst_of_its_row():
    row = Row("task", 0.9, [1.0, 2.0, 3.0], [2.0, 1.5, math.inf])
    assert row.regret(2.0) == 0
    assert row.regret(3.0) > row.regret(2.5) > row.regret(1.0) > 0


# --- Training ---------------------------------------------------------------------------------------------------------


def _configuration(task, optimizer="adamw", **changed):
    given = {"lr": 0.01, "momentum": 0.9, "norm_decay": 0.99, "weight_decay": 0.1}
    schedule = {"kind": "cosine", "warmup": 0.25}
    sizes = {"steps": 4, "chunk": 2, "evaluate_every": 2, "seed": 1}
    settings = {"task": task, "optimizer": optimizer, "hyperparameters": given, "schedule": schedule, **sizes}
    return settings | changed


@pytest.mark.parametrize("task", plans.PLANS)
def test_a_task_is_learned_by_one_program_that_starts_anew(task):
    description = plans.plan(task, "quick").describe(None)
    slow = {"lr": 1e-6, "momentum": 0.9, "norm_decay": 0.99, "weight_decay": 0.1}
    first = training.train(_configuration(description), None)
    other = training.train(_configuration(description, hyperparameters=slow), None)
    again = training.train(_configuration(description), None)
    programs = training._program.cache_info()
    assert training.train(_configuration(description, seed=2), None)["validation_loss"] != first["validation_loss"]
    assert training._program.cache_info().misses == programs.misses
    assert first["validation_loss"] == again["validation_loss"] != other["validation_loss"]
    assert first["step"] == [2, 4]
    assert not first["diverged"]
    assert all(math.isfinite(first[key]) for key in ("test_loss", "test_accuracy"))


@pytest.mark.parametrize("task", ["gpt", "resnet"])
def test_the_way_of_a_gpu_works_in_the_small(task):
    small = plans.plan(task, "quick").describe(None)
    on_a_gpu = {**small, "precision": "bfloat16"}
    if task == "resnet":
        on_a_gpu["network"] = {**small["network"], "convolution": "direct"}
    found, exact = (training.train(_configuration(each), None) for each in (on_a_gpu, small))
    assert found["validation_loss"] != exact["validation_loss"]
    np.testing.assert_allclose(found["validation_loss"], exact["validation_loss"], rtol=0.02)


def test_a_gpu_has_the_small_tasks_in_large():
    for task in ("gpt", "rnn"):
        large, small = (plans.plan(task, scale).describe(None) for scale in ("gpu", "quick"))
        assert large.keys() == small.keys()
        assert large["precision"] == "bfloat16"


def test_schedule_free_adamw_is_evaluated_at_the_average():
    weights = [jnp.asarray(weight) for weight in _weights()]
    chosen = kind("schedule_free_adamw")
    made = chosen.make(_GIVEN, _HIDDEN)
    state = made.init(weights)
    visited = []
    for _ in range(3):
        updates, state = made.update([jnp.ones_like(weight) for weight in weights], state, weights)
        weights = optax.apply_updates(weights, updates)
        visited.append(state.z)
    for place, average in enumerate(chosen.evaluated(state, weights)):
        np.testing.assert_allclose(average, np.mean([z[place] for z in visited], 0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", plans.SCALES)
@pytest.mark.parametrize("task", plans.PLANS)
def test_chunks_divide_the_steps_and_variants_have_their_peers(task, scale):
    chosen = plans.plan(task, scale)
    sizes = chosen.sizes
    assert not any(steps % sizes.chunk for steps in (sizes.search_steps, sizes.steps, sizes.evaluate_every))
    assert all(VARIANTS[label].peer in chosen.peers for label in chosen.variants)
    assert set(BASES[chosen.family]) <= {*chosen.peers, *chosen.variants}


def test_a_run_that_diverges_ends_and_says_so():
    description = plans.plan("gpt", "quick").describe(None)
    given = {"lr": math.inf, "momentum": 0.9, "norm_decay": 0.99, "weight_decay": 0.1}
    assert training.train(_configuration(description, hyperparameters=given), None) == {"diverged": True}


# --- The command ------------------------------------------------------------------------------------------------------


def _run(folder: Path, *arguments: str) -> None:
    tasks = ["--task", "gpt", "--task", "resnet"]
    main(["--scale", "quick", *tasks, "--workers", "1", "--output", str(folder), *arguments])


def test_command_writes_tables_and_figures_and_computes_nothing_twice(tmp_path, capsys, figures):
    _run(tmp_path, "--stage", "grid")
    assert not (tmp_path / "gpt" / "table.md").exists()
    _run(tmp_path)
    shown = capsys.readouterr().out
    folder = tmp_path / "gpt"
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").strip() in shown
    for name in ("grid.md", "table.md"):
        assert (folder / name).read_text(encoding="utf-8").strip() in shown
    assert (tmp_path / "rules.md").read_text(encoding="utf-8").strip() in shown
    assert "without a norm" in (tmp_path / "rules.md").read_text(encoding="utf-8")
    assert "DampedSGD" in (tmp_path / "resnet" / "table.md").read_text(encoding="utf-8")
    summary = (tmp_path / "summary.svg").read_text(encoding="utf-8")
    assert "<svg" in summary
    assert "GPT on characters, against AdamW" in summary
    assert "Residual network on images, against SGD" in summary
    assert {"gains.svg", "ends.svg", "curves.svg"} < figures(folder).keys()
    chosen = plans.plan("gpt", "quick")
    with (folder / "grid.csv").open(encoding="utf-8", newline="") as file:
        grid = list(csv.DictReader(file))
    # AdamW and two dampings, at one learning rate and two momenta.
    assert len(grid) == 6
    with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
        runs = list(csv.DictReader(file))
    entries = {run["entry"] for run in runs}
    assert {"AdamW", "DampedAdamW, r = 1.9", "DampedAdamW, searched"} <= entries
    assert len(runs) == len(entries) * chosen.sizes.seeds
    assert {run["seed"] for run in runs} == {"1", "2"}
    configuration = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))
    assert configuration["device"] == "cpu"
    assert configuration["versions"]["jax"]

    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    times = [path.stat().st_mtime_ns for path in sorted((folder / "runs").iterdir())]
    _run(tmp_path)
    assert [path.stat().st_mtime_ns for path in sorted((folder / "runs").iterdir())] == times
    assert {name: (folder / name).read_bytes() for name in files} == files


def test_command_refuses_a_task_that_there_is_not(capsys):
    with pytest.raises(SystemExit):
        main(["--task", "mlp"])
    assert "--task" in capsys.readouterr().err
