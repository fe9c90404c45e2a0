"""What is run: a problem with its hyperparameters, and how the runs of two implementations are compared."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

import ml_dtypes
import numpy as np

from indian_core.dynamics import phase_from_velocity
from indian_core.hyperparameters import INNAPROP_DEFAULTS
from indian_core.reference import PhaseForm, PublishedINNAprop
from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay, Schedule
from tests.cross_framework.problems import PROBLEMS, Arrays


class Hyperparameters(NamedTuple):
    """The hyperparameters of one parameter group, without the step size."""

    alpha: float
    beta: float
    initial_speed: float | Literal["auto"] | None = 1.0
    weight_decay: float = 0.0
    norm: str | None = None
    norm_decay: float = 0.999
    norm_epsilon: float = 1e-8

    def __str__(self) -> str:
        values = self[:4] if self.norm is None else self
        return ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        problem: A key of `PROBLEMS`.
        schedule: The step sizes.
        groups: The hyperparameters of the first and of the second parameter array.
        steps: Number of steps.
        dtype: Of the parameters. The gradient is always computed in float64, and rounded to it.
        joins_at: The step at which the second array gets its first gradient.
        resumes_at: A step before which the run is saved, thrown away and resumed from what was saved.
    """

    problem: str
    schedule: Schedule
    groups: tuple[Hyperparameters, Hyperparameters]
    steps: int
    dtype: str = "float64"
    joins_at: int = 0
    resumes_at: int | None = None

    def first_steps(self, steps: int) -> "Case":
        """The same with at most so many steps; a run that resumes does so halfway."""
        steps = min(steps, self.steps)
        return replace(self, steps=steps, resumes_at=None if self.resumes_at is None else steps // 2)

    def start(self) -> Arrays:
        """The initial parameters, in float64."""
        return [np.array(array) for array in PROBLEMS[self.problem].start]

    def gradient(self, parameters: Arrays, k: int) -> list[np.ndarray | None]:
        """The gradients for step k, None for an array that has not joined."""
        wide = [np.asarray(array, np.float64) for array in parameters]
        first, second = PROBLEMS[self.problem].gradient(wide, k)
        dtype = ml_dtypes.bfloat16 if self.dtype == "bfloat16" else self.dtype
        return [np.asarray(first, dtype), np.asarray(second, dtype) if k >= self.joins_at else None]

    def __str__(self) -> str:
        first, second = self.groups
        schedule = type(self.schedule).__name__
        if isinstance(self.schedule, PowerDecay):
            schedule = f"power{self.schedule.power:g}" + (",warm-up" if self.schedule.warmup_steps else "")
        parts = [self.problem, schedule, str(first)]
        parts += [str(second)] if second != first else []
        parts += ["joins late"] if self.joins_at else []
        parts += ["resumes"] if self.resumes_at is not None else []
        return "-".join(parts)


class Run(NamedTuple):
    """The iterates of one run, after each step: arrays of shape (steps, number of entries of all parameters)."""

    theta: np.ndarray
    phase: np.ndarray


class Recorder:
    """Collects the iterates of an implementation that keeps velocities."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.parameters: list[list[np.ndarray]] = [[], []]
        self.velocities: list[list[np.ndarray]] = [[], []]

    def record(self, parameters: Arrays, velocities: Arrays) -> None:
        """Keep what the parameters and velocities are after a step; arrays that the next step overwrites are copied."""
        for i in range(2):
            self.parameters[i].append(np.array(parameters[i], np.float64).ravel())
            self.velocities[i].append(np.array(velocities[i], np.float64).ravel())

    def run(self) -> Run:
        """The run, with ψ computed from θ and the velocity."""
        thetas = [np.stack(arrays) for arrays in self.parameters]
        phases = [
            phase_from_velocity(theta, np.stack(arrays), group.alpha, group.beta)
            for theta, arrays, group in zip(thetas, self.velocities, self.case.groups, strict=True)
        ]
        return Run(np.concatenate(thetas, axis=1), np.concatenate(phases, axis=1))

    def check_last_phase(self, phases: Arrays) -> None:
        """Check that the implementation's own ψ is what `run` computes."""
        flat = np.concatenate([np.ravel(np.asarray(array, np.float64)) for array in phases])
        tolerance = {"float64": 1e-12, "float32": 1e-5, "bfloat16": 0.1}[self.case.dtype]
        np.testing.assert_allclose(flat, self.run().phase[-1], rtol=tolerance, atol=tolerance)


@cache
def oracle(case: Case) -> Run:
    """The run in phase form, in NumPy float64 whatever the case's dtype."""
    starts = zip(case.start(), case.groups, strict=True)
    return _run(case, [PhaseForm(start, **group._asdict()) for start, group in starts])


@cache
def published_innaprop(case: Case) -> Run:
    """The run by the published rule of INNAprop, whose initial speed and norm are not to choose."""
    forms = []
    for start, group in zip(case.start(), case.groups, strict=True):
        assert group.norm == "rmsprop"
        assert group.initial_speed is None
        arguments = {name: value for name, value in group._asdict().items() if name not in ("norm", "initial_speed")}
        forms.append(PublishedINNAprop(start, **arguments))
    return _run(case, forms)


def _run(case: Case, phase_forms: list[PhaseForm] | list[PublishedINNAprop]) -> Run:
    thetas, phases = [], []
    for k in range(case.steps):
        gradients = PROBLEMS[case.problem].gradient([form.theta for form in phase_forms], k)
        for i, form in enumerate(phase_forms):
            if i == 0 or k >= case.joins_at:
                form.step(gradients[i], case.schedule(k))
        thetas.append(np.concatenate([form.theta.ravel() for form in phase_forms]))
        phases.append(np.concatenate([_phase_or_rest(form).ravel() for form in phase_forms]))
    return Run(np.stack(thetas), np.stack(phases))


def _phase_or_rest(form: PhaseForm | PublishedINNAprop) -> np.ndarray:
    """ψ, or before the first step the ψ of zero velocity, which is what a stored velocity of zero stands for."""
    return phase_from_velocity(form.theta, 0 * form.theta, form.alpha, form.beta) if form.phase is None else form.phase


def difference(run: Run, expected: Run) -> float:
    """The largest relative distance ‖a_k − b_k‖/‖b_k‖ over all steps k, of θ and of ψ; NaN if an iterate is."""
    distances = []
    for ours, theirs in zip(run, expected, strict=True):
        distance, size = np.linalg.norm(ours - theirs, axis=1), np.linalg.norm(theirs, axis=1)
        # With αβ = 1 and no initial velocity ψ is exactly 0, and 0 is then at no distance from it.
        distances.append(distance / np.where((distance == 0) & (size == 0), 1, size))
    return float(np.max(distances))


# The papers' settings, then αβ = 1, α = 0.
_SETTINGS = [(0.1, 0.1), (0.5, 0.1), (0.5, 0.5), (0.5, 1.0), (1.3, 0.1), (2.0, 2.0), (2.0, 0.5), (0.0, 0.5)]


def _schedules(step_size: float) -> list[Schedule]:
    return [
        Constant(step_size),
        PowerDecay(step_size, 0.5),
        PowerDecay(step_size, 0.25),
        PowerDecay(step_size, 0.25, warmup_steps=100),
        LogarithmicDecay(step_size, 1.5),
    ]


def _settings_cases(steps: int) -> list[Case]:
    """Values of the hyperparameters and schedules, which all take the same path through an implementation."""
    cases = []
    for row, (name, problem) in enumerate(PROBLEMS.items()):
        # αγ = 1, and γ > β with as much friction as a momentum of 0.95, depend on the step size. The last column meets
        # the problems with large steps: at a small β the oracle, which divides by it, is the less exact of the two.
        gamma = problem.step_size
        settings = [*_SETTINGS, (1 / gamma, 0.5), (0.05 / gamma, gamma / 2)]
        schedules = _schedules(problem.step_size)
        for column, (alpha, beta) in enumerate(settings):
            # Each (α, β) on two of the problems; neighbours differ in everything, so that few cases meet many
            # combinations.
            if (row + column) % 2:
                continue
            schedule = schedules[(row + column + 1) % 5]
            speed = (1.0, 0.0, beta)[(2 * row + column + 1) % 3]
            weight_decay = (0.0, 0.01)[(row + column) // 2 % 2]
            group = Hyperparameters(alpha, beta, speed, weight_decay)
            cases.append(Case(name, schedule, (group, group), steps))
    return cases


def _structure_cases(steps: int) -> list[Case]:
    """αγ = 1 at every step; step sizes that fall through it; γ = β; groups; a late start; a resumed run; all these."""
    first = Hyperparameters(0.5, 0.1, 1.0, 0.01)
    second = Hyperparameters(1.3, 0.5, 0.0, 0.0)
    critical = Hyperparameters(5.0, 0.5, 1.0, 0.01)
    heavy_ball = Hyperparameters(0.5, 0.2, 0.0, 0.01)
    halfway = steps // 2
    return [
        Case("quadratic", Constant(0.2), (critical, critical), steps),
        Case("quadratic", PowerDecay(0.4, 0.25), (critical, critical), steps),
        Case("quadratic", Constant(0.2), (heavy_ball, heavy_ball), steps),
        Case("quadratic", PowerDecay(0.2, 0.25), (first, second), steps),
        Case("logistic regression", PowerDecay(0.1, 0.5), (first, first), steps, joins_at=7),
        Case("quadratic", PowerDecay(0.2, 0.25, 100), (first, first), steps, resumes_at=halfway),
        Case("logistic regression", LogarithmicDecay(0.1, 1.5), (first, second), steps, joins_at=7, resumes_at=halfway),
    ]


def _norm_cases(steps: int) -> list[Case]:
    """Each norm, alone and with groups, late starts and resumed runs; among them step sizes on both sides of β.

    Where the norm falls with the gradient, near a minimum, a step is as large as ever, and rounding errors grow from
    step to step. So the step sizes decay, or gradients of mini-batches keep the norm large.
    """
    innaprop = Hyperparameters(*INNAPROP_DEFAULTS[1:])
    beyond = innaprop._replace(alpha=0.5, beta=0.1)
    damped = innaprop._replace(alpha=2.0, beta=0.5)
    rmsprop = Hyperparameters(1.0, 0.5, 1.0, 0.0, "rmsprop", 0.9, 0.01)
    adagrad = Hyperparameters(0.1, 0.9, 1.0, 0.01, "adagrad")
    euclidean = Hyperparameters(0.5, 0.1, 1.0, 0.01)
    automatic = tuple(group._replace(initial_speed="auto") for group in (euclidean, adagrad))
    halfway = steps // 2
    return [
        Case("quadratic", PowerDecay(0.3, 0.5), (innaprop, innaprop), steps),
        Case("logistic regression", Constant(0.02), (innaprop, innaprop), steps),
        Case("logistic regression", PowerDecay(0.3, 0.5), (beyond, beyond), steps),
        Case("Rosenbrock", PowerDecay(0.05, 0.5), (beyond, beyond), steps),
        Case("nonsmooth", PowerDecay(0.05, 0.5), (damped, damped), steps),
        Case("quadratic", Constant(0.02), (rmsprop, rmsprop), steps, joins_at=7),
        Case("quadratic", PowerDecay(0.3, 0.5), (adagrad, adagrad), steps),
        Case("logistic regression", PowerDecay(0.05, 0.5), (adagrad, adagrad), steps, resumes_at=halfway),
        Case("nonsmooth", PowerDecay(0.05, 0.5), (adagrad, adagrad), steps),
        Case("quadratic", PowerDecay(0.2, 0.25), automatic, steps),
        Case("logistic regression", PowerDecay(0.1, 0.5), (innaprop, rmsprop), steps, joins_at=7, resumes_at=halfway),
    ]


STRUCTURE_CASES = _structure_cases(10_000)
SETTINGS_CASES = _settings_cases(2_000)
NORM_CASES = _norm_cases(2_000)
NORM_STRUCTURE_CASES = [c for c in NORM_CASES if c.joins_at or c.resumes_at or c.groups[0] != c.groups[1]]
INNAPROP_CASES = NORM_CASES[:2]
FLOAT32_CASES = [
    Case(name, schedule, (group, group), 2_000, "float32")
    for name in ("quadratic", "logistic regression")
    for schedule in (Constant(PROBLEMS[name].step_size), PowerDecay(PROBLEMS[name].step_size, 0.25))
    for group in (Hyperparameters(0.5, 0.1), Hyperparameters(0.5, 0.5, 0.0, 0.01), Hyperparameters(2.0, 0.5, 0.5))
] + [
    Case("logistic regression", PowerDecay(0.05, 0.5), (group, group), 2_000, "float32")
    # Without decay: at such small steps, PyTorch's fused kernel loses a part of it that is below the roundoff of θ.
    for group in (Hyperparameters(0.1, 0.9, None, 0.0, "rmsprop"), Hyperparameters(0.1, 0.9, 1.0, 0.0, "adagrad"))
]
