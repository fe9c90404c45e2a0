"""The trust-region problem in the Krylov space, where B is a small tridiagonal matrix T: solved exactly.

    minimize  β h₁ + ½ hᵀTh   subject to  ‖h‖ <= Δ

has the solution h = −(T + λ)⁻¹ β e₁ with the one λ >= 0 for which T + λ has no negative eigenvalue and λ (Δ − ‖h‖) = 0
(Moré, Sorensen, 1983). From the eigenvalues and eigenvectors of T, ‖h‖ is a sum of fractions in λ, and Newton's method
on 1/‖h‖ finds λ. In the hard case the gradient has no part along the leftmost eigenvector, and λ is the eigenvalue's
negative; a part of the size of the smallest numbers, added to the gradient, makes it like all others.

Arrays have ``size`` entries, the largest dimension that the Krylov space may reach; the first ``count`` of them are in
use. So a compiled program, whose shapes are fixed, can call the functions in every iteration.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy

from indian_core.trust_region import plain_numbers

__all__ = ["Solution", "minimize"]

Array: TypeAlias = Any
"""An array of any framework."""

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""

_NEWTON_STEPS = 12
"""From a start within a factor of √size of the solution Newton's method needs six at most; the rest is free."""


class Solution(NamedTuple):
    """The solution of the small problem.

    Attributes:
        coefficients: h, of shape (size,), 0 where not in use.
        last: Its last entry in use.
        multiplier: λ.
        decrease: −(β h₁ + ½ hᵀTh).
        leftmost: The leftmost eigenvalue of T.
        leftmost_last: The size of the last entry in use of its eigenvector, which is of length 1.
        curved: Whether the leftmost eigenvalue is negative, beyond rounding.
    """

    coefficients: Array
    last: Scalar
    multiplier: Scalar
    decrease: Scalar
    leftmost: Scalar
    leftmost_last: Scalar
    curved: Scalar


def minimize(
    diagonal: Array,
    off_diagonal: Array,
    count: Scalar,
    gradient_norm: Scalar,
    radius: Scalar,
    *,
    eps: float,
    xp: Any = numpy,
) -> Solution:
    """Solve the small problem.

    Args:
        diagonal: The diagonal of T, of shape (size,).
        off_diagonal: Its other diagonal, of shape (size,): entry j couples j and j + 1.
        count: How many entries are in use, >= 1.
        gradient_norm: β >= 0.
        radius: Δ > 0.
        eps: The distance from 1 to the next number in the dtype of the arrays.
        xp: Namespace of the arrays.

    Example:
        The hard case: the gradient is orthogonal to the direction of negative curvature.

        >>> solution = minimize(np.array([1.0, -1.0]), np.array([0.0, 0.0]), 2, 1.0, 2.0, eps=1e-16)
        >>> solution.coefficients.round(3), float(solution.multiplier)
        (array([-0.5  , -1.936]), 1.0)
    """
    if xp is not numpy:
        return _minimize(diagonal, off_diagonal, count, gradient_norm, radius, eps, xp)
    # Numbers that are known now make the padding unnecessary.
    used = slice(int(count) or None)
    # Squares of small parts underflow, whatever the caller wants to hear of his own arithmetic.
    with numpy.errstate(all="ignore"):
        small = _minimize(diagonal[used], off_diagonal[used], count, gradient_norm, radius, eps, xp)
    coefficients = numpy.zeros_like(diagonal)
    coefficients[used] = small.coefficients
    return small._replace(coefficients=coefficients)


def _minimize(
    diagonal: Array, off_diagonal: Array, count: Scalar, gradient_norm: Scalar, radius: Scalar, eps: float, xp: Any
) -> Solution:
    number = plain_numbers.beside(xp)
    size = diagonal.shape[0]
    index = xp.arange(size)
    used, last = index < count, index == count - 1
    coupled = index < count - 1
    diagonal = xp.where(used, diagonal, 0.0)
    off_diagonal = xp.where(coupled, off_diagonal, 0.0)
    # What is not in use gets an eigenvalue above all others (Gershgorin), and the gradient has no part along it.
    spread = xp.max(xp.abs(diagonal)) + 2 * xp.max(xp.abs(off_diagonal))
    padding = number.where(spread > 0, 2 * spread, 1.0)
    eigenvalues, eigenvectors = _eigh(xp.where(used, diagonal, padding), off_diagonal[:-1], xp)

    leftmost = eigenvalues[0]
    curved = leftmost < -eps * size * spread
    first_row = eigenvectors[0]
    tiny = _smallest(eps) * (gradient_norm + spread * radius)
    along_leftmost = first_row[0] * gradient_norm
    hidden = curved & (number.abs(along_leftmost) <= tiny)
    # The signs of eigenvectors are anybody's choice; this one makes the step the same everywhere.
    along_leftmost = number.where(hidden, number.where(first_row[0] < 0, -tiny, tiny), along_leftmost)
    gradient = xp.where(index == 0, along_leftmost, first_row * gradient_norm)

    # λ = shift − leftmost: the shift does not suffer where λ is nearly the negative of the leftmost eigenvalue.
    gaps = eigenvalues - leftmost
    smallest_shift = number.where(leftmost > 0, leftmost, 0.0)
    # Where one term of the sum alone has the length Δ: ‖h‖ >= Δ there, and Newton's method is monotone from there.
    shift = _larger(smallest_shift, xp.max(xp.abs(gradient) / radius - gaps), number)
    shift = _larger(shift, _start_of_hard_case(gradient, gaps, smallest_shift, radius, xp, number), number)
    for _ in range(_NEWTON_STEPS):
        parts, weights = _parts(gradient, gaps + shift, xp)
        squared = _dot(parts, parts, xp)
        length = number.sqrt(squared)
        slope = _dot(parts * parts, weights, xp)
        nonzero = slope > 0
        newton = squared / number.where(nonzero, slope, 1.0) * (length - radius) / radius
        previous, shift = shift, _larger(smallest_shift, shift + number.where(nonzero, newton, 0.0), number)
        # A saving that a compiled program does not have.
        if xp is numpy and not shift > previous * (1 + eps):
            break
    parts, _ = _parts(gradient, gaps + shift, xp)
    multiplier = shift - leftmost
    multiplier = number.where(multiplier > 0, multiplier, 0.0)
    coefficients = xp.sum(eigenvectors * -parts[None, :], axis=1)
    coefficients = xp.where(used, coefficients, 0.0)
    # gᵀh + ½ hᵀTh in the eigenvectors' coordinates.
    decrease = gradient_norm * _dot(first_row, parts, xp) - 0.5 * _dot(eigenvalues * parts, parts, xp)
    return Solution(
        coefficients=coefficients,
        last=_entry(coefficients, last, xp),
        multiplier=multiplier,
        decrease=decrease,
        leftmost=leftmost,
        leftmost_last=number.abs(_entry(eigenvectors[:, 0], last, xp)),
        curved=curved,
    )


def _start_of_hard_case(
    gradient: Array, gaps: Array, smallest_shift: Scalar, radius: Scalar, xp: Any, number: Any
) -> Scalar:
    """A shift below the solution, and close to it where the leftmost part of the gradient is all but 0.

    The other parts of the step then hardly depend on the shift, and the leftmost has to fill the room that they leave.
    From far below, Newton's method would be slow.
    """
    leftmost = number.abs(gradient[0])
    shift = smallest_shift
    for _ in range(2):
        parts, _ = _parts(gradient[1:], gaps[1:] + shift, xp)
        room = radius * radius - _dot(parts, parts, xp)
        shift = number.where(room > 0, leftmost / number.sqrt(number.where(room > 0, room, 1.0)), smallest_shift)
    return shift


def _parts(gradient: Array, shifted: Array, xp: Any) -> tuple[Array, Array]:
    """gradient/shifted and 1/shifted, 0 where both are 0: there the shortest solution has no part."""
    positive = shifted > 0
    weights = xp.where(positive, 1.0 / xp.where(positive, shifted, 1.0), 0.0 * shifted)
    return gradient * weights, weights


def _dot(x: Array, y: Array, xp: Any) -> Scalar:
    # Faster, but on accelerators frameworks round the factors of a dot product.
    return x.dot(y) if xp is numpy else xp.sum(x * y)


def _entry(array: Array, where: Array, xp: Any) -> Scalar:
    """The entry at the last place in use, which with NumPy is the last of all."""
    return array[-1] if xp is numpy else xp.sum(xp.where(where, array, 0.0))


def _larger(first: Scalar, second: Scalar, number: Any) -> Scalar:
    return number.where(first > second, first, second)


def _smallest(eps: float) -> float:
    """A factor whose square no dtype loses: that of float32 reaches down to 1e-38, of float64 to 1e-308."""
    return 1e-15 if eps > 1e-10 else 1e-100


def _eigh(diagonal: Array, off_diagonal: Array, xp: Any) -> tuple[Array, Array]:
    """Eigenvalues in ascending order, and eigenvectors in the columns."""
    matrix = xp.diag(diagonal)
    if xp is numpy:
        # It reads the lower triangle alone.
        matrix.flat[len(diagonal) :: len(diagonal) + 1] = off_diagonal
    elif off_diagonal.shape[0] > 0:
        matrix = matrix + xp.diag(off_diagonal, 1) + xp.diag(off_diagonal, -1)
    eigenvalues, eigenvectors = getattr(xp, "linalg", xp).eigh(matrix)
    return eigenvalues, eigenvectors
