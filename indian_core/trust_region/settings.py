"""The settings of the trust region: names, defaults, ranges and error messages, for every adapter."""

from typing import Any, Final, NamedTuple

from indian_core.hyperparameters import (
    DECAY,
    POSITIVE,
    Range,
    check_choice,
    check_number,
    check_whole_number,
)
from indian_core.norms import NORMS
from indian_core.trust_region.curvatures import CURVATURES
from indian_core.trust_region.subproblem import SUBPROBLEMS

__all__ = [
    "DEFAULTS",
    "RANGES",
    "Settings",
    "check",
    "default_shrink_factor",
]


class Settings(NamedTuple):
    """The settings, with their defaults: Table 1 of Kohler, Adolphs, Lucchi (2019), as far as it names them.

    Attributes:
        norm: The shape of the ellipsoid: ``"rmsprop"``, ``"adagrad"``, or None for a ball.
        curvature: B: ``"hessian"``, ``"gauss_newton"``, or ``"none"`` for the first-order method.
        subproblem: How the step is found: ``"steihaug"`` or ``"lanczos"``.
        radius: Δ₀ > 0, the first radius.
        max_radius: Δ_max >= Δ₀.
        accept_ratio: η₁ in [0, 1]: a step of a smaller ratio is rejected.
        expand_ratio: η₂ in [η₁, 1]: after a step of a greater ratio the radius grows.
        expand_factor: γ₁ >= 1, by which it grows.
        shrink_factor: γ₂ > 1, by which it shrinks after a rejected step. None: 1.5, with ``"rmsprop"`` 1.75.
        tolerance: κ in (0, 1]: the residual falls to ‖g‖ min(κ, ‖g‖).
        max_iterations: Iterations of the subproblem at most, >= 1. The paper gives none.
        norm_decay: σ of RMSProp, in [0, 1).
        norm_epsilon: ε > 0 of the norm.
    """

    norm: str | None = "rmsprop"
    curvature: str = "hessian"
    subproblem: str = "steihaug"
    radius: float = 1e-4
    max_radius: float = 10.0
    accept_ratio: float = 1e-4
    expand_ratio: float = 0.95
    expand_factor: float = 1.1
    shrink_factor: float | None = None
    tolerance: float = 0.1
    max_iterations: int = 50
    norm_decay: float = 0.999
    norm_epsilon: float = 1e-8


DEFAULTS: Final = Settings()

_EUCLIDEAN_SHRINK_FACTOR: Final = 1.5

_FRACTION: Final = Range(0.0, maximum=1.0)

RANGES: Final = {
    "radius": POSITIVE,
    "max_radius": POSITIVE,
    "accept_ratio": _FRACTION,
    "expand_ratio": _FRACTION,
    "expand_factor": Range(1.0),
    "shrink_factor": Range(1.0, exclusive=True),
    "tolerance": Range(0.0, exclusive=True, maximum=1.0),
    "norm_decay": DECAY,
    "norm_epsilon": POSITIVE,
}


def default_shrink_factor(norm: str | None) -> float:
    """γ₂ of the paper's table: 1.75 with the norm of RMSProp, else 1.5.

    Args:
        norm: A key of `indian_core.norms.NORMS`, or None.

    Example:
        >>> default_shrink_factor("rmsprop")
        1.75
    """
    return _EUCLIDEAN_SHRINK_FACTOR if norm is None else NORMS[norm].shrink_factor


def check(settings: Settings) -> Settings:
    """The settings as plain Python values, with nothing left to a default, if every one is valid.

    Args:
        settings: A number may be a Python or NumPy number, or a one-element array of any framework.

    Raises:
        TypeError: A value is of the wrong type.
        ValueError: A value is out of its range, or ``radius`` or ``accept_ratio`` greater than its upper bound.

    Example:
        >>> check(Settings(norm="adagrad")).shrink_factor
        1.5
        >>> check(Settings(shrink_factor=1))
        Traceback (most recent call last):
        ...
        ValueError: shrink_factor must be a finite number > 1, got 1
    """
    given = settings
    check_choice("norm", given.norm, NORMS, optional=True)
    check_choice("curvature", given.curvature, tuple(CURVATURES))
    check_choice("subproblem", given.subproblem, SUBPROBLEMS)
    if given.shrink_factor is None:
        given = given._replace(shrink_factor=default_shrink_factor(given.norm))
    numbers: dict[str, Any] = {
        name: check_number(name, getattr(given, name), allowed) for name, allowed in RANGES.items()
    }
    check_whole_number("max_iterations", given.max_iterations, minimum=1)
    for lower, upper in (("radius", "max_radius"), ("accept_ratio", "expand_ratio")):
        if numbers[lower] > numbers[upper]:
            raise ValueError(f"{lower} must be at most {upper} = {numbers[upper]!r}, got {numbers[lower]!r}")
    return given._replace(max_iterations=int(given.max_iterations), **numbers)
