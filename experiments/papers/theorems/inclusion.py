"""Solutions of the differential inclusion (6) for a loss of one parameter with kinks, piece by piece.

Between kinks the inclusion is a differential equation, which SciPy solves up to the kink. At a convex kink the
trajectory either crosses or stays: it stays while some g between the slopes on both sides makes θ̇ = m − βg zero, that
is g = m/β. Then ṁ = −m/β, and m decays until m/β leaves the interval of slopes, if ever.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

from experiments.papers.theorems.landscapes import Line
from indian_core.energy import dissipation
from indian_core.flow import velocity_flow

__all__ = ["Solution", "solve"]


class Solution(NamedTuple):
    """A trajectory at given times.

    Attributes:
        t: Times.
        theta: θ.
        velocity: m.
        dissipated: What E_min and E_max have lost by the formulas, integrated along; of shape (2, …).
    """

    t: np.ndarray
    theta: np.ndarray
    velocity: np.ndarray
    dissipated: np.ndarray


def solve(line: Line, alpha: float, beta: float, times: np.ndarray, tolerance: float = 1e-11) -> Solution:
    """The solution from the start of a line, at rest in the sense that m₀ = 0.

    Args:
        line: The loss.
        alpha: α > 0.
        beta: β > 0.
        times: Increasing, from 0 on.
        tolerance: Of SciPy's method, relative; the absolute one is a hundredth.

    Raises:
        RuntimeError: The trajectory meets a concave kink, where solutions are not unique.
    """
    t = times
    states = np.empty((4, len(t)))
    now, state = 0.0, np.array([line.start, 0.0, 0.0, 0.0])
    while True:
        kink = line.kinks.index(state[0]) if state[0] in line.kinks else None
        piece = _piece(line, state, kink, beta)
        if kink is not None and (slope := _resting_slope(line, kink, state[1], beta)) is not None:
            duration = _stay(slope, state[1], beta)
            at = (t >= now) & (t <= now + duration)
            states[:, at] = _rest(state, t[at] - now, beta)
            end = now + duration
            if end >= t[-1]:
                break
            now, state = end, _rest(state, np.array([duration]), beta)[:, 0]
            # A negative m has risen to the slope on the right, a positive one has fallen to that on the left.
            piece = kink + 1 if state[1] < 0 else kink
        found = _go(line, piece, state, now, t[-1], (alpha, beta), tolerance)
        at = (t >= now) & (t <= found.t[-1])
        if at.any():
            states[:, at] = found.sol(t[at])
        if found.status == 0:
            break
        now, state = found.t[-1], found.y[:, -1].copy()
        state[0] = min(line.kinks, key=lambda kink: abs(kink - state[0]))
    return Solution(t, states[0], states[1], states[2:])


def _resting_slope(line: Line, kink: int, velocity: float, beta: float) -> tuple[float, float] | None:
    """The slopes on both sides of a kink, if the trajectory stays there."""
    c = line.kinks[kink]
    left, right = float(line.slopes[kink](c)), float(line.slopes[kink + 1](c))
    if left > right and velocity - beta * left < 0 < velocity - beta * right:
        raise RuntimeError(f"the solution from the concave kink at {c} is not unique")
    return (left, right) if left <= velocity / beta <= right else None


def _stay(slopes: tuple[float, float], velocity: float, beta: float) -> float:
    """How long m/β, which decays, is between the slopes."""
    left, right = slopes
    if left <= 0 <= right:
        return math.inf
    return beta * math.log(velocity / beta / (right if right < 0 else left))


def _rest(state: np.ndarray, elapsed: np.ndarray, beta: float) -> np.ndarray:
    """The states while the trajectory stays at a kink; E_min and E_max are both ½m² plus a constant then."""
    velocity = state[1] * np.exp(-elapsed / beta)
    lost = (state[1] ** 2 - velocity**2) / 2
    return np.stack([np.full_like(elapsed, state[0]), velocity, state[2] + lost, state[3] + lost])


def _piece(line: Line, state: np.ndarray, kink: int | None, beta: float) -> int:
    """On which piece the trajectory goes on."""
    if kink is None:
        return int(np.searchsorted(line.kinks, state[0]))
    return kink + 1 if state[1] - beta * float(line.slopes[kink + 1](state[0])) > 0 else kink


def _go(
    line: Line, piece: int, state: np.ndarray, start: float, end: float, damping: tuple[float, float], tolerance: float
) -> Any:
    """On one piece, to its end or to the last time."""
    slope = line.slopes[piece]

    def rates(_: float, y: np.ndarray) -> list[float]:
        g = slope(y[0])
        lost = dissipation(y[1], g, *damping)
        return [*velocity_flow(y[1], g, *damping), lost.minimum, lost.maximum]

    events = []
    for number, kink in enumerate(line.kinks):
        if number in (piece - 1, piece):

            def distance(_: float, y: np.ndarray, kink: float = kink) -> float:
                return float(y[0] - kink)

            distance.terminal, distance.direction = True, -1 if number == piece - 1 else 1  # type: ignore[attr-defined]
            events.append(distance)
    return solve_ivp(
        rates,
        (start, end),
        state,
        method="LSODA",
        rtol=tolerance,
        atol=tolerance / 100,
        dense_output=True,
        events=events,
    )
