"""Losses whose shape is known: smooth ones of two parameters, and semi-algebraic ones of one with their kinks."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

__all__ = ["LANDSCAPES", "LINES", "Landscape", "Line"]


class Landscape(NamedTuple):
    """A differentiable loss of a vector, its gradient, and where to start: θ₀ and m₀."""

    loss: Callable[[np.ndarray], Any]
    gradient: Callable[[np.ndarray], np.ndarray]
    start: tuple[float, ...]
    velocity: tuple[float, ...]


def _banana_gradient(theta: np.ndarray) -> np.ndarray:
    x, y = theta
    return np.array([-40 * x * (y - x * x) - 2 * (1 - x), 20 * (y - x * x)])


def _wells_gradient(theta: np.ndarray) -> np.ndarray:
    x, y = theta
    return np.array([4 * x * (x * x - 1) + y, x + 2 * y])


LANDSCAPES: Final = {
    "Rosenbrock, 10(θ₂ − θ₁²)² + (1 − θ₁)²": Landscape(
        lambda t: 10 * (t[1] - t[0] ** 2) ** 2 + (1 - t[0]) ** 2, _banana_gradient, (-1.0, 1.5), (1.0, -2.0)
    ),
    "two wells, (θ₁² − 1)² + θ₁θ₂ + θ₂²": Landscape(
        lambda t: (t[0] ** 2 - 1) ** 2 + t[0] * t[1] + t[1] ** 2, _wells_gradient, (0.1, 2.0), (-3.0, 0.0)
    ),
    "flat minimum, θ₁⁴ + θ₂⁶": Landscape(
        lambda t: t[0] ** 4 + t[1] ** 6, lambda t: np.array([4 * t[0] ** 3, 6 * t[1] ** 5]), (1.0, -1.0), (0.0, 2.0)
    ),
}


class Line(NamedTuple):
    """A semi-algebraic loss of one parameter, smooth except at kinks.

    Attributes:
        loss: J, with J = 0 at the limit 0 of the trajectory.
        slopes: J′ on the pieces from left to right.
        kinks: Where one piece ends and the next begins.
        start: θ₀; m₀ is 0.
        power: p, where J is of the order of |θ|^p at 0 on the side from which the trajectory comes.
        radius: Within this distance of 0, 0 is the only critical point.
    """

    loss: Callable[[Any], Any]
    slopes: tuple[Callable[[Any], Any], ...]
    kinks: tuple[float, ...]
    start: float
    power: float
    radius: float

    def slope(self, theta: np.ndarray) -> np.ndarray:
        """J′; at a kink, that of the piece on its right."""
        piece = np.searchsorted(self.kinks, theta, side="right")
        return np.choose(piece, [slope(theta) * np.ones_like(theta) for slope in self.slopes])


def _power(p: int) -> Line:
    return Line(lambda x: x**p, (lambda x: p * x ** (p - 1),), (), 1.0, p, 2.0)


def _kinked(p: int, start: float) -> Line:
    """max(−θ, θ^p) for even p."""

    def slope(x: Any) -> Any:
        return p * x ** (p - 1)

    return Line(lambda x: np.maximum(-x, x**p), (slope, lambda x: -1.0, slope), (-1.0, 0.0), start, p, 2.0)


LINES: Final = {
    "θ²": _power(2),
    "|θ|": Line(abs, (lambda x: -1.0, lambda x: 1.0), (0.0,), 1.0, 1, 2.0),
    "max(−θ, θ²)": _kinked(2, 1.5),
    "θ⁴": _power(4),
    "max(−θ, θ⁴)": _kinked(4, 1.0),
    "θ⁴/4 − θ³/3, at its inflection": Line(lambda x: x**4 / 4 - x**3 / 3, (lambda x: x**3 - x**2,), (), -0.05, 3, 0.25),
    "θ⁸": _power(8),
    "θ²⁰": _power(20),
}
