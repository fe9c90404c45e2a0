"""The generalized Lanczos trust-region method (GLTR) with a constant number of vectors.

Lanczos builds, from products with B, a basis q₁ … q_k of the Krylov space of A⁻¹B that is orthonormal in the inner
product of the ellipsoid, and in which B is a tridiagonal matrix T. The small problem in it is solved exactly at every
size (see `indian_core.trust_region.tridiagonal`), until the residual of the whole problem, the next off-diagonal entry
times the last coefficient, is small. The basis is not stored: a second run of Lanczos makes the vectors again and adds
them up, s = Σ hⱼ qⱼ. The caller keeps six buffers of the size of the parameters, g, q, the q before, s, Bq and the
diagonal A; this module keeps T and the scalars. One search is::

    start = A⁻¹g / ‖g‖
    state = start_lanczos(‖g‖, size, tolerance=κ, eps=eps)
    q_before, q = 0, start
    while state.termination == RUNNING:
        u = A⁻¹Bq − coupling q_before               (coupling: 0 at first)
        diagonal = uᵀAq
        u = u − diagonal q
        coupling = ‖u‖
        state = extend(state, diagonal, coupling, radius, …)
        q_before, q = q, normalized(coupling) u

A Krylov space that begins with the gradient can miss negative curvature, at a saddle for instance, where g = 0. So
where it promises no more decrease than a rounding error of the loss (`needs_probe`), the same run is made from a vector
`probe` that knows nothing of the gradient, with 0 in the place of ‖g‖; it looks for the leftmost eigenvector. Then
`choose` tells whose step it is and `solution` its coefficients; the second run starts from the same vector and takes
diagonal and coupling from T, and

    s = admissible_multiple(‖s‖, gᵀs, radius) s

One more product, Bs, measures the model's decrease. A search of k
iterations costs 2k products with B: k for T, k − 1 for the second run, and that one; a probe those for its T besides.

Sources: Gould, Lucidi, Roma, Toint, "Solving the trust-region subproblem using the Lanczos method" (1999); Paige,
"Computational variants of the Lanczos method for the eigenproblem" (1972), for the order of the operations.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy

from indian_core.trust_region import plain_numbers, tridiagonal
from indian_core.trust_region.radius import rounding_error
from indian_core.trust_region.report import Termination
from indian_core.trust_region.steihaug import residual_target
from indian_core.trust_region.tridiagonal import Solution

__all__ = ["LanczosState", "choose", "extend", "needs_probe", "normalized", "probe", "solution", "start_lanczos"]

Array: TypeAlias = Any
"""An array of any framework."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""

_PROBE_MODULUS = 46337
"""The largest prime whose square fits into 32 bits with a sign."""


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


def start_lanczos(
    gradient_norm: Scalar, size: int, *, tolerance: float, eps: float, wanted: Scalar | None = None, xp: Any = numpy
) -> LanczosState:
    """The state before the first product.

    Args:
        gradient_norm: ‖g‖; or 0 for a run from a `probe`.
        size: The largest number of iterations, >= 1.
        tolerance: κ.
        eps: The distance from 1 to the next number in the dtype of the vectors.
        wanted: Whether to run at all. None: if ‖g‖ is not 0.
        xp: Namespace of the scalars.

    Example:
        >>> start_lanczos(np.float64(0.0), 3, tolerance=0.1, eps=1e-16).termination == Termination.CONVERGED
        np.True_
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
    small = solution(state, radius, eps=eps, xp=xp)
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


def solution(state: LanczosState, radius: Scalar, *, eps: float, xp: Any = numpy) -> Solution:
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
        probe_run: The run that began with a `probe`, perhaps of no iterations.
        xp: Namespace of the scalars.

    Returns:
        The state of the run to take, and whether it is that from the probe.
    """
    found = probe_run.negative_curvature
    fields = zip(gradient_run, probe_run, strict=True)
    return LanczosState(*(xp.where(found, second, first) for first, second in fields)), found


def probe(index: Array) -> Array:
    """Whole numbers without a pattern, the same in every framework: the squares of ``index`` modulo a prime, centred.

    A sequence of squares modulo a prime has the same share of every frequency, so that no regular vector is orthogonal
    to it. Divided by √A it is a start without a preferred direction in the ellipsoid.

    Args:
        index: 0, 1, 2, …, one for each parameter, as integers of 32 bits or more.

    Example:
        >>> probe(np.arange(4))
        array([-23167, -23164, -23159, -23152])
    """
    shifted = (index + 1) % _PROBE_MODULUS
    return (shifted * shifted) % _PROBE_MODULUS - _PROBE_MODULUS // 2
