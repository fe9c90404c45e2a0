"""The plain NumPy loop over the trust region: the oracle that every adapter is tested against.

Nothing here is fast. The loops of the solvers are written out a second time, with vectors of one array, so that
`indian_core.trust_region.steihaug.solve` and its like can be tested against something.
"""

import functools
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from indian_core import norms
from indian_core.hyperparameters import check_whole_number
from indian_core.trust_region import lanczos, model, steihaug
from indian_core.trust_region.curvatures import CURVATURES
from indian_core.trust_region.probe import probe as index_probe
from indian_core.trust_region.radius import judge
from indian_core.trust_region.report import Report, Termination
from indian_core.trust_region.settings import DEFAULTS, Settings, check

__all__ = ["Step", "Trajectory", "minimize", "solve"]

FloatArray: TypeAlias = npt.NDArray[Any]
Product: TypeAlias = Callable[[FloatArray], FloatArray]


class Step(NamedTuple):
    """A solution of the subproblem.

    Attributes:
        step: s.
        model_decrease: −(gᵀs + ½ sᵀBs).
        iterations: Iterations of the method that found it.
        termination: How that method ended.
        negative_curvature: Whether it met a direction of curvature <= 0.
        products: With B, that were made.
    """

    step: FloatArray
    model_decrease: Any
    iterations: int
    termination: Termination
    negative_curvature: bool
    products: int


class Trajectory(NamedTuple):
    """The iterates of one run.

    Attributes:
        theta: w₀ … w_n, an array of shape (n + 1, size of w).
        reports: Of the n steps.
    """

    theta: FloatArray
    reports: list[Report]


def solve(
    gradient: FloatArray, product: Product, scale: FloatArray, radius: float, loss: float, settings: Settings
) -> Step:
    """The step that minimizes the model in the ellipsoid, by the solver of the settings.

    Args:
        gradient: g, a vector.
        product: v ↦ Bv.
        scale: A, of g's shape.
        radius: Δ.
        loss: L(w), for its rounding error.
        settings: As from `check`.
    """
    if not CURVATURES[settings.curvature].has_products:
        length = model.first_order_length(norms.dual_norm(gradient, scale), radius)
        return _measured(-length * norms.preconditioned(gradient, scale), gradient, None, scale, radius)
    return _SOLVERS[settings.subproblem](gradient, product, scale, radius, loss, settings)


def _steihaug(
    gradient: FloatArray, product: Product, scale: FloatArray, radius: float, loss: float, settings: Settings
) -> Step:
    eps = np.finfo(gradient.dtype).eps
    step, residual = np.zeros_like(gradient), gradient
    direction = -norms.preconditioned(gradient, scale)
    state = steihaug.start(norms.dual_norm(gradient, scale) ** 2, tolerance=settings.tolerance, eps=eps)
    while state.termination == Termination.RUNNING:
        image = product(direction)
        state, length = steihaug.step_length(
            state,
            norms.inner_product(direction, image),
            norms.inner_product(step, direction, scale),
            norms.inner_product(direction, direction, scale),
            radius,
        )
        step = step + length * direction
        residual = residual + length * image
        state, momentum = steihaug.next_direction(state, norms.dual_norm(residual, scale) ** 2, settings.max_iterations)
        direction = momentum * direction - norms.preconditioned(residual, scale)
    found = _measured(step, gradient, residual - gradient, scale, radius)
    return found._replace(
        iterations=int(state.iterations),
        termination=Termination(int(state.termination)),
        negative_curvature=bool(state.termination == Termination.NEGATIVE_CURVATURE),
        products=int(state.iterations),
    )


def _lanczos(
    gradient: FloatArray, product: Product, scale: FloatArray, radius: float, loss: float, settings: Settings
) -> Step:
    eps = np.finfo(gradient.dtype).eps

    def run(start: FloatArray, gradient_norm: Any, wanted: Any) -> lanczos.LanczosState:
        state = lanczos.start_lanczos(
            gradient_norm, settings.max_iterations, tolerance=settings.tolerance, eps=eps, wanted=wanted
        )
        before, vector, coupling = np.zeros_like(start), start, 0.0
        while state.termination == Termination.RUNNING:
            rest = norms.preconditioned(product(vector), scale) - coupling * before
            entry = norms.inner_product(rest, vector, scale)
            rest = rest - entry * vector
            coupling = norms.norm(rest, scale)
            state = lanczos.extend(state, entry, coupling, radius, tolerance=settings.tolerance, eps=eps)
            before, vector = vector, lanczos.normalized(coupling) * rest
        return state

    gradient_norm = norms.dual_norm(gradient, scale)
    start = lanczos.normalized(gradient_norm) * norms.preconditioned(gradient, scale)
    first = run(start, gradient_norm, gradient_norm != 0)
    probe = index_probe(np.arange(gradient.size)).astype(gradient.dtype) / np.sqrt(scale)
    probe = lanczos.normalized(norms.norm(probe, scale)) * probe
    second = run(probe, 0 * gradient_norm, lanczos.needs_probe(first, loss, eps=eps))
    state, escaped = lanczos.choose(first, second)
    coefficients = lanczos.small_solution(state, radius, eps=eps).coefficients

    step, before, vector = np.zeros_like(gradient), np.zeros_like(gradient), probe if escaped else start
    for j in range(int(state.iterations)):
        step = step + coefficients[j] * vector
        if j + 1 < state.iterations:
            coupling = state.off_diagonal[j - 1] if j > 0 else 0.0
            rest = norms.preconditioned(product(vector), scale) - coupling * before - state.diagonal[j] * vector
            before, vector = vector, lanczos.normalized(state.off_diagonal[j]) * rest
    found = _measured(step, gradient, product(step) if state.iterations > 0 else None, scale, radius)
    return found._replace(
        iterations=int(first.iterations + second.iterations),
        termination=Termination(int(state.termination)),
        negative_curvature=bool(state.negative_curvature),
        products=int(first.iterations + second.iterations + state.iterations),
    )


def _measured(
    step: FloatArray, gradient: FloatArray, image: FloatArray | None, scale: FloatArray, radius: float
) -> Step:
    """The step, brought into the ellipsoid, and its decrease; ``image`` is Bs, None for no curvature."""
    slope = norms.inner_product(gradient, step)
    curvature = norms.inner_product(step, image) if image is not None else 0 * slope
    multiple = model.admissible_multiple(norms.norm(step, scale), slope, radius, eps=np.finfo(step.dtype).eps)
    return Step(
        step=multiple * step,
        model_decrease=model.model_decrease(multiple * slope, multiple * multiple * curvature),
        iterations=0,
        termination=Termination.BOUNDARY if slope < 0 else Termination.CONVERGED,
        negative_curvature=False,
        products=0,
    )


_SOLVERS: Final = {"steihaug": _steihaug, "lanczos": _lanczos}


def minimize(
    fun: Callable[[FloatArray], Any],
    grad: Callable[[FloatArray], npt.ArrayLike],
    hessp: Callable[[FloatArray, FloatArray], FloatArray],
    x0: npt.ArrayLike,
    *,
    steps: int,
    gradient_tolerance: float = 0.0,
    **settings: Any,
) -> Trajectory:
    """Run the method and keep every iterate.

    Args:
        fun: w ↦ L(w).
        grad: w ↦ g, of w's shape.
        hessp: (w, v) ↦ Bv, of w's shape; not called with ``curvature="none"``.
        x0: w₀, a vector of a floating dtype.
        steps: Number of steps at most.
        gradient_tolerance: Stop before a step where the Euclidean norm of the gradient is less than this. The run also
            stops after a step within rounding.
        **settings: Fields of `Settings`; those not given have their default.

    Raises:
        TypeError, ValueError: A setting is not valid.

    Example:
        >>> run = minimize(lambda w: w @ w, lambda w: 2 * w, lambda w, v: 2 * v, np.ones(2), steps=99, norm=None)
        >>> bool(run.reports[-1].loss < 1e-20), run.reports[-1].termination.name
        (True, 'CONVERGED')
    """
    check_whole_number("steps", steps)
    checked = check(DEFAULTS._replace(**settings))
    theta = np.array(x0)
    accumulator, count, radius, spent = np.zeros_like(theta), 0, theta.dtype.type(checked.radius), 0
    thetas, reports = [theta], []
    for _ in range(steps):
        loss, gradient = fun(theta), np.asarray(grad(theta))
        if np.linalg.norm(gradient) < gradient_tolerance:
            break
        coefficients = norms.norm_coefficients(checked.norm, count + 1, checked.norm_decay, checked.norm_epsilon)
        grown = norms.accumulate(accumulator, gradient, coefficients)
        scale = norms.scale(grown, coefficients) * np.ones_like(theta)
        found = solve(gradient, functools.partial(hessp, theta), scale, radius, loss, checked)
        trial_loss = fun(theta + found.step)
        verdict = judge(
            loss, trial_loss, found.model_decrease, radius, found.termination, checked, eps=np.finfo(theta.dtype).eps
        )
        radius, spent = verdict.radius, spent + 1 + found.products
        if verdict.accepted:
            theta, accumulator, count = theta + found.step, grown, count + 1
        thetas.append(theta)
        reports.append(
            Report(
                loss=loss,
                trial_loss=trial_loss,
                model_decrease=found.model_decrease,
                ratio=verdict.ratio,
                radius=radius,
                accepted=bool(verdict.accepted),
                within_rounding=bool(verdict.within_rounding),
                iterations=found.iterations,
                termination=found.termination,
                negative_curvature=found.negative_curvature,
                gradient_norm=norms.dual_norm(gradient, scale),
                step_norm=norms.norm(found.step, scale),
                backpropagations=spent,
            )
        )
        if verdict.within_rounding:
            break
    return Trajectory(np.stack(thetas), reports)
