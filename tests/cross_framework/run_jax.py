"""Runs in JAX."""

import pickle
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.lib.jax_releases import enable_x64, optax_tree
from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay, Schedule
from indian_jax import INDIANState, indian, logarithmic_decay, phase, power_decay
from tests.cross_framework.cases import Case, Hyperparameters, Recorder, Run


class _Part:
    """The parameters that share a transformation, with its state; one that joins late gets its own."""

    def __init__(self, indices: list[int], transformation: optax.GradientTransformation, joins_at: int) -> None:
        self.indices = indices
        self.joins_at = joins_at
        self.transformation = transformation
        self.state: Any = None
        self._step = jax.jit(self._pure_step)

    def _pure_step(self, gradients: list[Any], state: Any, parameters: list[Any]) -> tuple[list[Any], Any]:
        updates, state = self.transformation.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    def step(self, parameters: list[jax.Array], gradients: list[np.ndarray]) -> list[jax.Array]:
        """The new parameters."""
        if self.state is None:
            self.state = self.transformation.init(parameters)
        parameters, self.state = self._step(gradients, self.state, parameters)
        return parameters

    def velocities(self) -> list[Any]:
        """One per parameter, zero before the first step."""
        if self.state is None:
            return [0.0] * len(self.indices)
        if isinstance(self.state, INDIANState):
            return self.state.velocity
        return [
            leaf for _, tree in optax_tree.get_all_with_path(self.state, "velocity") for leaf in jax.tree.leaves(tree)
        ]


def run(case: Case, variant: str) -> Run:
    """Run a case: float64 with x64, the other dtypes as most people run them, without."""
    with enable_x64(case.dtype == "float64"):
        return _run(case)


def run_momentum_sgd(case: Case, learning_rate: float, momentum: float, nesterov: bool) -> np.ndarray:
    """θ after each step of `optax.sgd` on the problem of a case."""
    with enable_x64(True):
        parameters = _parameters(case)
        part = _Part([0, 1], optax.sgd(learning_rate, momentum, nesterov), 0)
        thetas = []
        for k in range(case.steps):
            parameters = part.step(parameters, case.gradient([np.asarray(p) for p in parameters], k))
            thetas.append(np.concatenate([np.ravel(p) for p in parameters]))
        return np.stack(thetas)


def _run(case: Case) -> Run:
    parameters = _parameters(case)
    parts = _parts(case)
    recorder = Recorder(case)
    for k in range(case.steps):
        if k == case.resumes_at:
            states = [pickle.dumps(part.state) for part in parts]
            parts = _parts(case)
            for part, state in zip(parts, states, strict=True):
                part.state = pickle.loads(state)
        gradients = case.gradient([np.asarray(p) for p in parameters], k)
        for part in parts:
            if k >= part.joins_at:
                stepped = part.step([parameters[i] for i in part.indices], [gradients[i] for i in part.indices])
                for i, parameter in zip(part.indices, stepped, strict=True):
                    parameters[i] = parameter
        velocities = [velocity for part in parts for velocity in part.velocities()]
        recorder.record(parameters, [np.broadcast_to(v, p.shape) for v, p in zip(velocities, parameters, strict=True)])
    if len(parts) == 1 and case.groups[0] == case.groups[1]:
        group = case.groups[0]
        recorder.check_last_phase(phase(parameters, parts[0].state, alpha=group.alpha, beta=group.beta))
    return recorder.run()


def _parameters(case: Case) -> list[jax.Array]:
    return [jnp.asarray(array, case.dtype) for array in case.start()]


def _parts(case: Case) -> list[_Part]:
    first, second = case.groups
    if case.joins_at:
        return [
            _Part([0], _transformation(case.schedule, first), 0),
            _Part([1], _transformation(case.schedule, second, case.joins_at), case.joins_at),
        ]
    if first != second:
        transformations = {
            "first": _transformation(case.schedule, first),
            "second": _transformation(case.schedule, second),
        }
        return [_Part([0, 1], optax.partition(transformations, ["first", "second"]), 0)]
    return [_Part([0, 1], _transformation(case.schedule, first), 0)]


def _transformation(schedule: Schedule, group: Hyperparameters, delay: int = 0) -> optax.GradientTransformation:
    return indian(learning_rate(schedule, delay), **group._asdict())


def learning_rate(schedule: Schedule, delay: int = 0) -> optax.ScalarOrSchedule:
    """The learning rate for a schedule of the core, for a transformation that starts ``delay`` steps late."""
    match schedule:
        case Constant(initial=initial):
            return initial
        case PowerDecay(initial=initial, power=power, warmup_steps=warmup_steps):
            optax_schedule = power_decay(initial, power, warmup_steps)
        case LogarithmicDecay(initial=initial, power=power):
            optax_schedule = logarithmic_decay(initial, power)
    return partial(_delayed, optax_schedule, delay) if delay else optax_schedule


def _delayed(schedule: optax.Schedule, delay: int, count: jax.Array) -> jax.Array:
    return schedule(count + delay)
