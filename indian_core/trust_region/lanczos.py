"""The generalized Lanczos trust-region method (GLTR) with a constant number of vectors.

Lanczos builds, from products with B, a basis q₁ … q_k of the Krylov space of A⁻¹B that is orthonormal in the inner
product of the ellipsoid, and in which B is a tridiagonal matrix T. The small problem in it is solved exactly at every
size (see `indian_core.trust_region.tridiagonal`), until the residual of the whole problem, the next off-diagonal entry
times the last coefficient, is small. The basis is not stored: a second run of Lanczos makes the vectors again and adds
them up, s = Σ hⱼ qⱼ. `solve` is the loop; the other functions are its scalars. The loop keeps six vectors: g, q, the q
before, s, Bq and the diagonal A.

A Krylov space that begins with the gradient can miss negative curvature, at a saddle for instance, where g = 0. So
where it promises no more decrease than a rounding error of the loss (`needs_probe`), the same run is made from a vector
that knows nothing of the gradient, `indian_core.trust_region.probe`, with 0 in place of ‖g‖. It looks for the leftmost
eigenvector. `choose` says whose step is taken.

One more product, Bs, measures the model's decrease. A search of k iterations costs 2k products with B: k for T, k − 1
for the second run, and that one; a probe costs those for its T besides.

Sources: Gould, Lucidi, Roma, Toint, "Solving the trust-region subproblem using the Lanczos method" (1999); Paige,
"Computational variants of the Lanczos method for the eigenproblem" (1972), for the order of the operations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy

from indian_core.trust_region import plain_numbers, tridiagonal
from indian_core.trust_region.problem import Problem, Solution, measured
from indian_core.trust_region.report import Termination
from indian_core.trust_region.residual import residual_target
from indian_core.trust_region.rounding import rounding_error
from indian_core.trust_region.space import VectorSpace

__all__ = ["LanczosState", "choose", "extend", "needs_probe", "normalized", "small_solution", "solve", "start_lanczos"]

Array: TypeAlias = Any
"""An array of any framework."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


class LanczosState(NamedTuple):
    """The tridiagonal matrix so far, and the scalars that go from one iteration to the next.

    Attributes:
        diagonal: Of T, of shape (size,); the first ``iterations`` entries are in use.
        off_diagonal: Of T, likewise: entry j couples j and j + 1. The last in use leads out of T.
        gradient_norm: ‖g‖, or 0 in a run that looks for negative curvature alone.
        target: The residual norm at which to stop.
        decrease: What the model falls by in the Krylov space so far.
        negative_curvature: Whether T has a negative eigenvalue.
        iterations: How many were made.
        termination: A `Termination`.
    """

    diagonal: Array
    off_diagonal: Array
    gradient_norm: Scalar
    target: Scalar
    decrease: Scalar
    negative_curvature: Scalar
    iterations: Scalar
    termination: Scalar


def solve(problem: Problem, space: VectorSpace) -> Solution:
    """The step by Lanczos, which leaves saddles.

    Args:
        problem: With its ``product``.
        space: The vectors.
    """
    product, gradient, xp = problem.product, problem.gradient, space.xp
    number = plain_numbers.beside(xp)
    assert product is not None
    constants: dict[str, Any] = {"tolerance": problem.tolerance, "eps": space.eps, "xp": xp}
    steepest = space.precondition(gradient)
    (squared,) = space.dots((gradient, steepest))
    del steepest
    gradient_norm = number.sqrt(squared)

    def first_vector(from_probe: Scalar) -> Any:
        def along_gradient() -> Any:
            return space.multiply(normalized(gradient_norm, xp=number), space.precondition(gradient))

        return space.choose(from_probe, lambda: _unit(space, space.probe(gradient)), along_gradient)

    def runs(state: LanczosState, *_: Any) -> Scalar:
        return state.termination == Termination.RUNNING

    def iterate(state: LanczosState, before: Any, vector: Any, coupling: Scalar) -> Any:
        rest = space.add_scaled(space.precondition(product(vector)), -coupling, before)
        (entry,) = space.dots((rest, space.apply_scale(vector)))
        rest = space.add_scaled(rest, -entry, vector)
        coupling = _norm(space, rest)
        state = extend(state, entry, coupling, problem.radius, **constants)
        return state, vector, space.multiply(normalized(coupling, xp=number), rest), coupling

    def run(previous: LanczosState, from_probe: Scalar) -> LanczosState:
        wanted = needs_probe(previous, problem.loss, eps=problem.loss_eps, xp=xp) & from_probe
        probing = start_lanczos(0 * gradient_norm, problem.max_iterations, wanted=wanted, **constants)
        state = _either(from_probe, probing, previous, xp)
        carry = [state, space.zeros_like(gradient), first_vector(wanted), 0 * gradient_norm]
        last: LanczosState
        last, *_ = space.loop(runs, iterate, carry)
        return last

    begun = start_lanczos(gradient_norm, problem.max_iterations, wanted=gradient_norm != 0, **constants)
    first, second = space.twice(run, begun)
    state, escaped = choose(first, second, xp=xp)
    step, image = _combination(problem, space, state, lambda: first_vector(escaped))
    iterations = first.iterations + second.iterations
    return measured(problem, space, step, image, gradient_norm)._replace(
        iterations=iterations,
        termination=state.termination,
        negative_curvature=state.negative_curvature,
        products=iterations + state.iterations,
    )


def _combination(
    problem: Problem, space: VectorSpace, state: LanczosState, first_vector: Callable[[], Any]
) -> tuple[Any, Any]:
    """s and Bs, in a second run that makes the basis of the Krylov space again."""
    product, number = problem.product, plain_numbers.beside(space.xp)
    assert product is not None
    coefficients = small_solution(state, problem.radius, eps=space.eps, xp=space.xp).coefficients

    def runs(j: Scalar, *_: Any) -> Scalar:
        return j < state.iterations

    def iterate(j: Scalar, step: Any, before: Any, vector: Any) -> Any:
        step = space.add_scaled(step, coefficients[j], vector)
        last = j + 1 == state.iterations
        # The last product is that with the step, and takes the place of a further vector of the basis.
        image = product(space.choose(last, lambda: step, lambda: vector))

        def next_vector() -> Any:
            coupling = number.where(j > 0, state.off_diagonal[j - 1], 0.0)
            rest = space.add_scaled(space.precondition(image), -coupling, before)
            rest = space.add_scaled(rest, -state.diagonal[j], vector)
            return space.multiply(normalized(state.off_diagonal[j], xp=number), rest)

        return j + 1, step, vector, space.choose(last, lambda: image, next_vector)

    zeros_like, gradient = space.zeros_like, problem.gradient
    carry = [0 * state.iterations, zeros_like(gradient), zeros_like(gradient), first_vector()]
    _, step, _, image = space.loop(runs, iterate, carry)
    return step, image


def _unit(space: VectorSpace, vector: Any) -> Any:
    """The vector with length 1 in the ellipsoid's norm."""
    return space.multiply(normalized(_norm(space, vector), xp=plain_numbers.beside(space.xp)), vector)


def _norm(space: VectorSpace, vector: Any) -> Scalar:
    """‖s‖."""
    (squared,) = space.dots((vector, space.apply_scale(vector)))
    return plain_numbers.beside(space.xp).sqrt(squared)


def _either(condition: Scalar, yes: LanczosState, no: LanczosState, xp: Any) -> LanczosState:
    """One of two states."""
    if isinstance(condition, bool):
        return yes if condition else no
    return LanczosState(*(xp.where(condition, a, b) for a, b in zip(yes, no, strict=True)))


def start_lanczos(
    gradient_norm: Scalar, size: int, *, tolerance: float, eps: float, wanted: Scalar | None = None, xp: Any = numpy
) -> LanczosState:
    """The state before the first product.

    Args:
        gradient_norm: ‖g‖; or 0 for a run from a probe.
        size: The largest number of iterations, >= 1.
        tolerance: κ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        wanted: Whether to run at all. None: if ‖g‖ is not 0.
        xp: Namespace of the scalars.

    Example:
        >>> start = start_lanczos(np.float64(0.0), 3, tolerance=0.1, eps=1e-16)
        >>> bool(start.termination == Termination.CONVERGED)
        True
    """
    wanted = gradient_norm != 0 if wanted is None else wanted
    finite = xp.isfinite(gradient_norm)
    zero = xp.where(finite, 0.0 * gradient_norm, 0.0)
    zeros = xp.stack([zero] * size)
    nothing = xp.where(wanted, int(Termination.RUNNING), int(Termination.CONVERGED))
    return LanczosState(
        diagonal=zeros,
        off_diagonal=zeros,
        gradient_norm=gradient_norm,
        target=residual_target(gradient_norm, tolerance, eps=eps, xp=xp),
        decrease=zero,
        negative_curvature=zero < 0,
        iterations=0 * nothing,
        termination=xp.where(finite, nothing, int(Termination.NOT_FINITE)),
    )


def normalized(norm: Scalar, *, xp: Any = numpy) -> Scalar:
    """1/norm, by which to multiply a vector; 0 for a vector of length 0.

    Example:
        >>> float(normalized(4.0)), float(normalized(0.0))
        (0.25, 0.0)
    """
    positive = norm > 0
    return xp.where(positive, 1.0 / xp.where(positive, norm, 1.0), 0.0)


def extend(
    state: LanczosState,
    diagonal: Scalar,
    coupling: Scalar,
    radius: Scalar,
    *,
    tolerance: float,
    eps: float,
    xp: Any = numpy,
) -> LanczosState:
    """Take one more row into T, and see whether that is enough.

    The search ends when the residual ‖(B + λA)s + g‖ is at most ‖g‖ min(κ, ‖g‖), or κ λΔ on the boundary, where the
    next step's radius matters more than the last digits of this one; a run from a probe, when the residual of the
    leftmost eigenpair is at most κ times the eigenvalue.

    Args:
        state: Before the iteration.
        diagonal: qᵀBq.
        coupling: ‖u‖, the length of what is left of A⁻¹Bq without its parts along q and the q before.
        radius: Δ.
        tolerance: κ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        xp: Namespace of the scalars.
    """
    number = plain_numbers.beside(xp)
    size = state.diagonal.shape[0]
    here = xp.arange(size) == state.iterations
    iterations = state.iterations + 1
    finite = number.isfinite(diagonal) & number.isfinite(coupling)
    state = state._replace(
        diagonal=xp.where(here, number.where(finite, diagonal, 0.0), state.diagonal),
        off_diagonal=xp.where(here, number.where(finite, coupling, 0.0), state.off_diagonal),
        iterations=iterations,
    )
    small = small_solution(state, radius, eps=eps, xp=xp)
    probing = state.gradient_norm == 0
    residual = coupling * number.where(probing, small.leftmost_last, number.abs(small.last))
    on_boundary = tolerance * small.multiplier * radius
    target = number.where(state.target > on_boundary, state.target, on_boundary)
    target = number.where(probing, tolerance * number.abs(small.leftmost), target)
    end = number.where(small.multiplier > 0, int(Termination.BOUNDARY), int(Termination.CONVERGED))
    end = number.where(small.curved, int(Termination.NEGATIVE_CURVATURE), end)
    limit = number.where(iterations >= size, int(Termination.ITERATION_LIMIT), int(Termination.RUNNING))
    end = number.where(residual <= target, end, limit)
    return state._replace(
        decrease=small.decrease,
        negative_curvature=small.curved,
        termination=number.where(finite, end, int(Termination.NOT_FINITE)),
    )


def small_solution(state: LanczosState, radius: Scalar, *, eps: float, xp: Any = numpy) -> tridiagonal.Solution:
    """The solution of the small problem: the coefficients of the step in the basis of the Krylov space.

    Args:
        state: Of a run.
        radius: Δ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        xp: Namespace of the scalars.
    """
    return tridiagonal.minimize(
        state.diagonal, state.off_diagonal, state.iterations, state.gradient_norm, radius, eps=eps, xp=xp
    )


def needs_probe(state: LanczosState, loss: Scalar, *, eps: float, xp: Any = numpy) -> Scalar:
    """Whether the gradient's Krylov space promises no more than a rounding error of the loss, and no way out.

    Args:
        state: Of the run that began with the gradient.
        loss: L(w).
        eps: The distance from 1 to the next number in the dtype of the loss.
        xp: Namespace of the scalars.
    """
    small = state.decrease <= rounding_error(loss, eps, xp=xp)
    return small & xp.logical_not(state.negative_curvature) & (state.termination != Termination.NOT_FINITE)


def choose(gradient_run: LanczosState, probe_run: LanczosState, *, xp: Any = numpy) -> tuple[LanczosState, Scalar]:
    """The run whose step is taken: that from the probe only if it found negative curvature.

    Args:
        gradient_run: The run that began with the gradient.
        probe_run: The run that began with a probe, perhaps of no iterations.
        xp: Namespace of the scalars.

    Returns:
        The state of the run to take, and whether it is that from the probe.
    """
    found = probe_run.negative_curvature
    return _either(found, probe_run, gradient_run, xp), found
