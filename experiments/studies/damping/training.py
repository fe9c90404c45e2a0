"""One training run of the study, by a program that is compiled once for a task and a kind of optimizer.

Hyperparameters and learning rates are arguments of the program, and a call takes many steps. Times are those of the
steps alone, without compilation and evaluation: CPU seconds of the process on a CPU, seconds of the clock on a GPU.
"""

import itertools
import json
import math
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from experiments.lib.training import factor
from experiments.studies.damping.optimizers import kind
from experiments.studies.damping.tasks import Task, load

__all__ = ["Program", "program", "train", "trained_weights"]


class Program(NamedTuple):
    """The compiled functions of a task and a kind of optimizer.

    Attributes:
        task: What is trained.
        start: The state of the optimizer, from weights and hyperparameters.
        steps: Weights, state and statistics after a chunk of steps, and the losses, from weights, state, statistics,
            hyperparameters, the learning rate of each step, and the draw of each step. The first three are donated.
        evaluated: The weights to evaluate, from the state and the weights.
    """

    task: Task
    start: Callable[..., Any]
    steps: Callable[..., Any]
    evaluated: Callable[..., Any]


def program(description: Mapping[str, Any], optimizer: str, source: Path | None) -> Program:
    """The program for a task and a kind of optimizer, the same one for the same arguments.

    Args:
        description: See `experiments.studies.damping.tasks.load`.
        optimizer: See `experiments.studies.damping.optimizers.kind`.
        source: What the user named with ``--data``.
    """
    return _program(json.dumps(description, sort_keys=True), optimizer, source)


@cache
def _task(description: str, source: Path | None) -> Task:
    return load(json.loads(description), source)


@cache
def _evaluation(description: str, source: Path | None) -> Callable[..., Any]:
    """Loss and accuracy, from weights, statistics, and inputs and labels in batches: one program for all kinds."""
    task = _task(description, source)

    @jax.jit
    def evaluate(weights: Any, statistics: Any, x: Any, y: Any) -> Any:
        def of_batch(batch: Any) -> Any:
            logits, _ = task.apply(weights, statistics, batch[0], False)
            return _mean_loss(logits, batch[1]), (logits.argmax(-1) == batch[1]).mean()

        losses, accuracies = jax.lax.map(of_batch, (x, y))
        return losses.mean(), accuracies.mean()

    return evaluate


def _mean_loss(logits: jax.Array, y: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def _weights_themselves(state: Any, weights: Any) -> Any:
    del state
    return weights


@cache
def _program(description: str, optimizer: str, source: Path | None) -> Program:
    task, chosen = _task(description, source), kind(optimizer)

    @jax.jit
    def start(weights: Any, hyperparameters: Any) -> Any:
        return chosen.make(hyperparameters, task.hidden).init(weights)

    def steps(
        weights: Any, state: Any, statistics: Any, hyperparameters: Any, learning_rates: Any, draws: Any, data: Any
    ) -> Any:
        def step(carry: Any, of_step: Any) -> Any:
            weights, state, statistics = carry
            learning_rate, draw = of_step
            x, y = task.batch(data, draw)

            def loss(weights: Any) -> Any:
                logits, now = task.apply(weights, statistics, x, True)
                return _mean_loss(logits, y), now

            (value, statistics), gradients = jax.value_and_grad(loss, has_aux=True)(weights)
            transformation = chosen.make({**hyperparameters, "lr": learning_rate}, task.hidden)
            updates, state = transformation.update(gradients, state, weights)
            return (optax.apply_updates(weights, updates), state, statistics), value

        (weights, state, statistics), losses = jax.lax.scan(step, (weights, state, statistics), (learning_rates, draws))
        return weights, state, statistics, losses

    evaluated = jax.jit(chosen.evaluated) if chosen.evaluated else _weights_themselves
    return Program(task, start, _compiled_at_the_first_call(steps, task.data), evaluated)


def _compiled_at_the_first_call(steps: Callable[..., Any], data: Any) -> Callable[..., Any]:
    """Compiled for each number of steps; compilation is not part of the call, whose time is measured."""
    jitted = jax.jit(steps, donate_argnums=(0, 1, 2))
    compiled: dict[int, Any] = {}

    def prepared(*arguments: Any) -> Callable[[], Any]:
        n = len(arguments[4])
        if n not in compiled:
            compiled[n] = jitted.lower(*arguments, data).compile()
        return lambda: compiled[n](*arguments, data)

    return prepared


def train(configuration: Mapping[str, Any], source: Path | None) -> dict[str, Any]:
    """Train once.

    Args:
        configuration: With these keys:

            - task: what `experiments.studies.damping.tasks.load` takes
            - optimizer: a name of `experiments.studies.damping.optimizers.KINDS`
            - hyperparameters: numbers by name, ``lr`` among them
            - schedule: as in `experiments.lib.training.factor`
            - steps: how many
            - chunk: steps of one call; a divisor of ``steps``
            - evaluate_every: a multiple of ``chunk``
            - seed: of the initial weights and of the batches
        source: What the user named with ``--data``.

    Returns:
        ``step``, ``seconds``, ``training_loss`` (the mean since the last evaluation), ``validation_loss`` and
        ``validation_accuracy``: lists with an entry for every evaluation; ``test_loss`` and ``test_accuracy`` at the
        end; ``diverged``: whether a loss was infinite or no number, which ends the run.
    """
    return _train(configuration, source)[0]


def trained_weights(configuration: Mapping[str, Any], source: Path | None = None) -> list[NDArray[Any]]:
    """The weights at the end of the run that `train` takes.

    Raises:
        ValueError: The run diverged.
    """
    result, weights = _train(configuration, source)
    if result["diverged"]:
        raise ValueError(f"hyperparameters must be such that the run ends, got {configuration['hyperparameters']}")
    return [np.asarray(weight) for weight in weights]


def _train(configuration: Mapping[str, Any], source: Path | None) -> tuple[dict[str, Any], Any]:
    made = program(configuration["task"], configuration["optimizer"], source)
    evaluate = _evaluation(json.dumps(configuration["task"], sort_keys=True), source)
    task, steps, chunk = made.task, configuration["steps"], configuration["chunk"]
    given = {name: jnp.float32(value) for name, value in configuration["hyperparameters"].items()}
    peak = configuration["hyperparameters"]["lr"]
    rates = np.array([peak * factor(configuration["schedule"], k, steps) for k in range(steps)], np.float32)
    weights = [jnp.array(weight, jnp.float32) for weight in task.initial_weights(configuration["seed"])]
    state, statistics = made.start(weights, given), jax.tree.map(jnp.array, task.initial_statistics)
    draws = task.draws(configuration["seed"])
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    curves: dict[str, list[float]] = {}
    losses: list[float] = []
    seconds, diverged = 0.0, False
    for first in range(0, steps, chunk):
        drawn = jax.tree.map(lambda *each: np.stack(each), *itertools.islice(draws, chunk))
        call = made.steps(weights, state, statistics, given, rates[first : first + chunk], drawn)
        started = clock()
        weights, state, statistics, of_chunk = jax.block_until_ready(call())
        seconds += clock() - started
        losses += np.asarray(of_chunk, float).tolist()
        diverged = not np.all(np.isfinite(losses))
        step = first + chunk
        if not diverged and (step % configuration["evaluate_every"] == 0 or step == steps):
            loss, accuracy = map(
                float, evaluate(made.evaluated(state, weights), statistics, *task.evaluation["validation"])
            )
            diverged = not math.isfinite(loss)
            point = {"step": step, "seconds": round(seconds, 3), "training_loss": float(np.mean(losses))}
            for name, value in {**point, "validation_loss": loss, "validation_accuracy": accuracy}.items():
                curves.setdefault(name, []).append(value)
            losses = []
        if diverged:
            return {**curves, "diverged": True}, weights
    loss, accuracy = map(float, evaluate(made.evaluated(state, weights), statistics, *task.evaluation["test"]))
    ends = {"test_loss": loss, "test_accuracy": accuracy, "diverged": False}
    return {**curves, **ends}, made.evaluated(state, weights)
