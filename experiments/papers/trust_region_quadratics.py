"""Gradient descent, AdaGrad and full AdaGrad on quadratics, beside their trust-region twins of first and second order.

Figures 1 and 4 of Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods" (2019):
a well-conditioned quadratic, an ill-conditioned one along the axes, and the same one turned. A step of gradient descent
or AdaGrad is the best one for the linear model in a ball or an ellipsoid, whose radius the step size fixes; the twins
choose the radius by the trust-region rule, and the second-order ones use the Hessian too. Of each method the constant
that needs the fewest steps, and never lifts the loss above the first one, is taken from one grid. Run with::

    python -m experiments trust_region_quadratics
"""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.lib.command_line import parser
from experiments.lib.curves import markdown_table, write_csv, write_json
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import configuration
from experiments.lib.styles import OPTIMIZERS
from indian_core import norms
from indian_core.norms.adagrad import adagrad
from indian_core.trust_region import DEFAULTS, Settings, check
from indian_core.trust_region.radius import judge
from indian_core.trust_region.reference import solve

__all__ = ["METHODS", "PROBLEMS", "Method", "Run", "best", "main", "minimize", "steps_to"]

Matrix = NDArray[np.float64]


def _turned(curvatures: Sequence[float], degrees: float) -> Matrix:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.diag(curvatures) @ turn.T


PROBLEMS: Final = {
    "well-conditioned": _turned((1.0, 2.0), 0.0),
    "ill-conditioned": _turned((1.0, 60.0), 0.0),
    "ill-conditioned, turned by 45°": _turned((1.0, 60.0), 45.0),
}
"""The Hessians."""

START: Final = np.array([-5.0, 1.5])
"""In the coordinates of the valley: the start is turned with it."""

TARGET: Final = 1e-6
"""Share of the first loss to get to."""

MOST_STEPS: Final = 200

EPSILON: Final = 1e-8


class Method(NamedTuple):
    """A method.

    Attributes:
        ellipsoid: "ball", "diagonal" (AdaGrad's norm), or "full" (full AdaGrad's).
        rule: "fixed step", or a trust region of "first order" or "second order".
    """

    ellipsoid: str
    rule: str


METHODS: Final = {
    "gradient descent": Method("ball", "fixed step"),
    "AdaGrad": Method("diagonal", "fixed step"),
    "full AdaGrad": Method("full", "fixed step"),
    "first-order TR, ball": Method("ball", "first order"),
    "first-order TR, AdaGrad": Method("diagonal", "first order"),
    "first-order TR, full AdaGrad": Method("full", "first order"),
    "second-order TR, ball": Method("ball", "second order"),
    "second-order TR, AdaGrad": Method("diagonal", "second order"),
    "second-order TR, full AdaGrad": Method("full", "second order"),
}

GRID: Final = tuple(float(f"{value:.2g}") for value in np.geomspace(1e-2, 1e2, 17))
"""Of the step size, or of the first radius."""


class Run(NamedTuple):
    """Iterates, losses, and for every step the ellipsoid's matrix and its radius; iterates have one entry more."""

    points: Matrix
    losses: NDArray[np.float64]
    matrices: list[Matrix]
    radii: list[float]


def ellipsoid(name: str, gradients: Sequence[Matrix]) -> Matrix:
    """The matrix A of √(xᵀAx) that gradients make: I, AdaGrad's diagonal one, or (Σ ggᵀ)^½ + εI."""
    if name == "ball":
        return np.eye(2)
    if name == "diagonal":
        coefficients = adagrad(EPSILON)
        accumulator = np.zeros(2)
        for gradient in gradients:
            accumulator = norms.accumulate(accumulator, gradient, coefficients)
        return np.diag(norms.scale(accumulator, coefficients))
    stacked = np.array(gradients)
    return root(stacked.T @ stacked) + EPSILON * np.eye(2)


def root(matrix: Matrix) -> Matrix:
    """The symmetric root of a positive semidefinite matrix.

    Example:
        >>> root(np.diag([4.0, 9.0]))
        array([[2., 0.],
               [0., 3.]])
    """
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T


def minimize(hessian: Matrix, start: Matrix, method: Method, constant: float, steps: int = MOST_STEPS) -> Run:
    """Minimize ½ wᵀHw.

    Args:
        hessian: H.
        start: The first point.
        method: Which.
        constant: The step size, or the first radius.
        steps: How many; the run ends before where nothing of the first loss is left, or a million times as much.
    """

    def loss(point: Matrix) -> float:
        return float(point @ hessian @ point) / 2

    rules = _rules(method, constant)
    point, radius = start, rules.radius
    gradients: list[Matrix] = []
    run = Run(np.array([point]), np.array([loss(point)]), [], [])
    points, losses = [point], [loss(point)]
    for _ in range(steps):
        gradient = hessian @ point
        matrix = ellipsoid(method.ellipsoid, [*gradients, gradient])
        # In the coordinates y = A^½ s the ellipsoid is a ball.
        back = np.linalg.inv(root(matrix))
        ball_gradient, ball_hessian = back @ gradient, back @ hessian @ back
        if method.rule == "fixed step":
            radius = constant * float(np.linalg.norm(ball_gradient))
        run.matrices.append(matrix)
        run.radii.append(radius)
        found = solve(ball_gradient, ball_hessian.__matmul__, np.ones(2), radius, losses[-1], rules)
        trial = point + back @ found.step
        accepted = True
        if method.rule != "fixed step":
            verdict = judge(
                losses[-1], loss(trial), found.model_decrease, radius, found.termination, rules, eps=2.0**-52
            )
            accepted, radius = bool(verdict.accepted), float(verdict.radius)
        if accepted:
            point = trial
            gradients.append(gradient)
        points.append(point)
        losses.append(loss(point))
        if not 1e-15 < losses[-1] / losses[0] < 1e6:
            break
    return run._replace(points=np.array(points), losses=np.array(losses))


def _rules(method: Method, constant: float) -> Settings:
    curvature = "hessian" if method.rule == "second order" else "none"
    radius = 1.0 if method.rule == "fixed step" else constant
    return check(DEFAULTS._replace(norm=None, curvature=curvature, radius=radius, max_radius=1e3))


def steps_to(run: Run, share: float = TARGET) -> float:
    """After how many steps the loss is this share of the first, for good; infinite if it never is."""
    above = np.flatnonzero(~(run.losses <= share * run.losses[0]))
    return math.inf if above[-1] == len(run.losses) - 1 else float(above[-1] + 1)


def best(hessian: Matrix, start: Matrix, method: Method) -> tuple[float, Run]:
    """The constant on the grid that needs the fewest steps, ties by the lower loss at the end, and its run.

    Only runs that are never above the first loss count. A first step of AdaGrad far up the other side of a quadratic
    along the axes makes a norm with the Hessian's own shape, and the next steps end at the minimum: that is luck.
    """
    runs = [(constant, minimize(hessian, start, method, constant)) for constant in GRID]
    tame = [(constant, run) for constant, run in runs if run.losses.max() <= run.losses[0]]
    return min(tame, key=lambda item: (steps_to(item[1]), item[1].losses[-1]))


def _problems() -> dict[str, tuple[Matrix, Matrix]]:
    """Hessian and start of each."""
    return {name: (hessian, _start(name)) for name, hessian in PROBLEMS.items()}


def _start(name: str) -> Matrix:
    angle = math.pi / 4 if "turned" in name else 0.0
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) @ START


# --- Figures ----------------------------------------------------------------------------------------------------------

_COLORS: Final = {"ball": OPTIMIZERS["SGD"].colour, "diagonal": OPTIMIZERS["AdaGrad"].colour, "full": "C2"}
_LINES: Final = {"fixed step": "--", "first order": "-", "second order": ":"}


def _draw_paths(path: Any, found: dict[str, dict[str, tuple[float, Run]]]) -> None:
    """Paths of fixed steps with every other trust region over the level sets, and the losses below."""
    names = [name for name, method in METHODS.items() if method.rule == "fixed step"]
    with drawing(path, rows=2, columns=len(PROBLEMS), height=6.2) as (figure, axes):
        for (upper, lower), (problem, runs) in zip(axes.T, found.items(), strict=True):
            _draw_levels(upper, PROBLEMS[problem])
            for name in names:
                _, run = runs[name]
                color = _COLORS[METHODS[name].ellipsoid]
                upper.plot(*run.points.T, ".-", color=color, linewidth=1, markersize=4, label=name)
                for step in range(0, 6, 2):
                    if step < len(run.radii):
                        upper.plot(*_border(run, step), "--", color=color, linewidth=0.7)
                lower.semilogy(np.maximum(run.losses, 1e-30), color=color)
            upper.set(title=problem, xlabel="θ₁", ylabel="θ₂")
            lower.axhline(TARGET * next(iter(runs.values()))[1].losses[0], color="black", linewidth=0.7, linestyle=":")
            lower.set(xlim=(0, 60), ylim=(1e-10, None), xlabel="step", ylabel="loss")
            lower.set_title("steps: " + ", ".join(_shown(steps_to(runs[name][1])) for name in names))
        legend_below(figure, axes[0])


_REACH: Final = 6.5


def _draw_levels(panel: Any, hessian: Matrix) -> None:
    """Of ½ θᵀHθ, and the minimum."""
    x, y = np.meshgrid(np.linspace(-_REACH, 2.5, 150), np.linspace(-5.5, 3.5, 150))
    loss = (hessian[0, 0] * x * x + 2 * hessian[0, 1] * x * y + hessian[1, 1] * y * y) / 2
    largest = np.abs(hessian).sum() * _REACH**2 / 2
    panel.contour(x, y, loss, levels=np.geomspace(0.05, largest, 14), colors="0.85", linewidths=0.7)
    panel.plot(0, 0, "k*")
    panel.set(aspect="equal", xlim=(-_REACH, 2.5), ylim=(-5.5, 3.5))


def _border(run: Run, step: int) -> Matrix:
    angles = np.linspace(0, 2 * np.pi, 200)
    circle = run.radii[step] * np.array([np.cos(angles), np.sin(angles)])
    return run.points[step][:, np.newaxis] + np.linalg.inv(root(run.matrices[step])) @ circle


def _draw_twins(path: Any, found: dict[str, dict[str, tuple[float, Run]]]) -> None:
    """Losses of fixed steps and of their twins, a row for each ellipsoid."""
    with drawing(path, rows=len(_COLORS), columns=len(PROBLEMS), height=8, sharex=True, sharey=True) as (figure, axes):
        for row, shape in zip(axes, _COLORS, strict=True):
            for panel, (problem, runs) in zip(row, found.items(), strict=True):
                for name, method in METHODS.items():
                    if method.ellipsoid == shape:
                        losses = np.maximum(runs[name][1].losses, 1e-30)
                        panel.semilogy(losses, _LINES[method.rule], color=_COLORS[shape], label=name)
                panel.set(xlim=(0, 60), ylim=(1e-10, 1e3), title=problem)
            row[0].set_ylabel("loss")
        for panel in axes[-1]:
            panel.set_xlabel("step")
        legend_below(figure, axes[:, 0])


def _shown(steps: float) -> str:
    return f"{steps:.0f}" if math.isfinite(steps) else f"over {MOST_STEPS}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figures, print the table, and write the losses and the configuration."""
    options = parser("trust_region_quadratics", __doc__, []).parse_args(arguments)
    found = {
        problem: {name: best(hessian, start, method) for name, method in METHODS.items()}
        for problem, (hessian, start) in _problems().items()
    }
    rows = [
        [name, *(f"{_shown(steps_to(runs[name][1]))} ({runs[name][0]:g})" for runs in found.values())]
        for name in METHODS
    ]
    table = markdown_table([f"steps to {TARGET:g} of the first loss (step size or first radius)", *PROBLEMS], rows)
    options.output.mkdir(parents=True, exist_ok=True)
    _draw_paths(options.output / "paths", found)
    _draw_twins(options.output / "twins", found)
    (options.output / "table.md").write_text(table + "\n", encoding="utf-8")
    write_csv(
        options.output / "losses.csv",
        [
            {"problem": problem, "method": name, "constant": constant, "step": step, "loss": float(f"{loss:.6g}")}
            for problem, runs in found.items()
            for name, (constant, run) in runs.items()
            for step, loss in enumerate(run.losses[:101])
        ],
    )
    settings = {
        "hessians": {name: hessian.tolist() for name, hessian in PROBLEMS.items()},
        "starts": {name: start.tolist() for name, (_, start) in _problems().items()},
        "methods": {name: method._asdict() for name, method in METHODS.items()},
        "step_sizes_and_first_radii": GRID,
        "most_steps": MOST_STEPS,
        "share_of_the_first_loss_to_get_to": TARGET,
        "epsilon": EPSILON,
        "trust_region": _rules(METHODS["second-order TR, ball"], 1.0)._asdict(),
    }
    write_json(
        options.output / "configuration.json",
        configuration(settings, ["experiments.papers.trust_region_quadratics"], ["numpy"]),
    )
    print(table)
    print(f"\nWritten to {options.output}")
