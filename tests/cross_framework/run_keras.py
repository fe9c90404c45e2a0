"""Runs in Keras, on the backend of this process."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from indian_core import schedules
from indian_core.schedules import Constant, Schedule
from indian_tf import INDIAN, LogarithmicDecay, PowerDecay
from tests.cross_framework.cases import Case, Recorder, Run

Arrays = list[np.ndarray]

Step = Callable[[list[Any]], Arrays]
"""Takes a step with these gradients, and returns the values of all watched variables after it."""

warnings.filterwarnings("ignore", "Gradients do not exist")


def run(case: Case, variant: str) -> Run:
    """Run a case, with the compiled step of the backend where it has one."""
    with floatx("float32" if case.dtype == "bfloat16" else case.dtype):
        variables = _variables(case)
        optimizers = _build(case, variables)
        step = stepper(optimizers, variables, _velocities(optimizers))
        recorder = Recorder(case)
        thetas = case.start()
        for k in range(case.steps):
            if k == case.resumes_at:
                optimizers = [_saved_and_loaded(optimizer) for optimizer in optimizers]
                step = stepper(optimizers, variables, _velocities(optimizers))
            values = step(case.gradient(thetas, k))
            thetas, velocities = values[: len(variables)], values[len(variables) :]
            recorder.record(thetas, velocities)
        owners = optimizers if len(optimizers) == 2 else optimizers * 2
        recorder.check_last_phase(
            [_array(keras.ops.cast(o.phase(v), "float64")) for o, v in zip(owners, variables, strict=True)]
        )
        return recorder.run()


def run_momentum_sgd(case: Case, learning_rate: float, momentum: float, nesterov: bool) -> np.ndarray:
    """θ after each step of `keras.optimizers.SGD` on the problem of a case."""
    with floatx("float32" if case.dtype == "bfloat16" else case.dtype):
        variables = _variables(case)
        optimizer = keras.optimizers.SGD(learning_rate, momentum, nesterov)
        optimizer.build(variables)
        step = stepper([optimizer], variables, [])
        thetas, found = case.start(), []
        for k in range(case.steps):
            thetas = step(case.gradient(thetas, k))
            found.append(np.concatenate([theta.ravel() for theta in thetas]))
        return np.stack(found)


@contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Make Keras keep everything that has no dtype of its own, the learning rate too, in this one."""
    default = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(default)


def _variables(case: Case) -> list[keras.Variable]:
    return [keras.Variable(array, dtype=case.dtype, name=f"v{i}") for i, array in enumerate(case.start())]


def _build(case: Case, variables: list[keras.Variable]) -> list[INDIAN]:
    """One optimizer, or one per variable where their hyperparameters differ: Keras has no parameter groups."""
    first, second = case.groups
    optimizers = []
    for group, members in (
        [(first, variables)] if first == second else zip(case.groups, ([v] for v in variables), strict=True)
    ):
        optimizer = INDIAN(learning_rate(case.schedule), **group._asdict())
        optimizer.build(members)
        optimizers.append(optimizer)
    return optimizers


def _saved_and_loaded(optimizer: INDIAN) -> INDIAN:
    store: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(store)
    loaded = INDIAN.from_config(optimizer.get_config())
    loaded.build(optimizer._trainable_variables)
    loaded.load_own_variables(store)
    return loaded


def learning_rate(schedule: Schedule) -> Any:
    """The learning rate for a schedule of the core."""
    match schedule:
        case Constant(initial=initial):
            return initial
        case schedules.PowerDecay(initial=initial, power=power, warmup_steps=warmup_steps):
            return PowerDecay(initial, power, warmup_steps)
        case schedules.LogarithmicDecay(initial=initial, power=power):
            return LogarithmicDecay(initial, power)


def _apply(optimizers: list[Any], gradients: list[Any], variables: list[keras.Variable]) -> None:
    """A step of all variables; a gradient of None is dropped by Keras, with a warning."""
    pairs = list(zip(gradients, variables, strict=True))
    for optimizer, members in zip(optimizers, [pairs] if len(optimizers) == 1 else [[p] for p in pairs], strict=True):
        if all(gradient is None for gradient, _ in members):
            # Keras refuses a step without any gradient; the schedule goes on all the same.
            optimizer.iterations.assign_add(1)
        else:
            optimizer.apply_gradients(members)


def _velocities(optimizers: list[INDIAN]) -> list[keras.Variable]:
    return [velocity for optimizer in optimizers for velocity in optimizer._velocities]


def stepper(optimizers: list[Any], variables: list[keras.Variable], others: list[keras.Variable]) -> Step:
    """A step that returns the new values of the variables that it trains and of others.

    Args:
        optimizers: One for all variables, or one for each.
        variables: What they train.
        others: Variables of the optimizers.
    """
    watched = [*variables, *others]
    match keras.config.backend():
        case "tensorflow":
            return _tensorflow_stepper(optimizers, variables, watched)
        case "jax":
            return _jax_stepper(optimizers, variables, watched)
        case _:
            return _torch_stepper(optimizers, variables, watched)


def _tensorflow_stepper(optimizers: list[Any], variables: list[keras.Variable], watched: list[keras.Variable]) -> Step:
    import tensorflow as tf

    # Traced once more when an array that joins late stops being None.
    @tf.function
    def traced_step(gradients: list[Any]) -> Any:
        _apply(optimizers, gradients, variables)
        # As one tensor: to hand over each by itself would take longer than the step.
        return tf.concat([tf.reshape(v.value, [-1]) for v in watched], 0)

    shapes = [v.shape for v in watched]
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]

    def step(gradients: list[Any]) -> Arrays:
        parts = np.split(traced_step(gradients).numpy(), ends)
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    return step


def _jax_stepper(optimizers: list[Any], variables: list[keras.Variable], watched: list[keras.Variable]) -> Step:
    import jax

    state = [v for optimizer in optimizers for v in optimizer.variables] + variables

    @jax.jit
    def pure_step(values: list[Any], gradients: list[Any]) -> list[Any]:
        with keras.StatelessScope(zip(state, values, strict=True)) as scope:
            _apply(optimizers, gradients, variables)
        updated = [scope.get_current_value(v) for v in state]
        return [value if new is None else new for new, value in zip(updated, values, strict=True)]

    def step(gradients: list[Any]) -> Arrays:
        for variable, value in zip(state, pure_step([v.value for v in state], gradients), strict=True):
            variable.assign(value)
        return [_array(v) for v in watched]

    return step


def _torch_stepper(optimizers: list[Any], variables: list[keras.Variable], watched: list[keras.Variable]) -> Step:
    import torch

    torch.set_num_threads(1)

    def step(gradients: list[Any]) -> Arrays:
        _apply(optimizers, [None if g is None else keras.ops.convert_to_tensor(g) for g in gradients], variables)
        return [np.array(_array(v)) for v in watched]

    return step


def _array(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
