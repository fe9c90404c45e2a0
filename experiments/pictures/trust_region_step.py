"""A picture of one step of the trust region: in a ball, in an ellipsoid, and at a saddle.

The quadratic model at a point in a narrow valley, with the way of conjugate gradients to the border of the ball and of
the ellipsoid that AdaGrad's norm makes of past gradients; and a saddle whose gradient says next to nothing of the way
down, where conjugate gradients and Lanczos part. The table has the decrease of the model.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.lib.command_line import parser
from experiments.lib.curves import markdown_table, write_csv, write_json
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import configuration
from experiments.pictures.norm_ellipsoids import descent
from indian_core import norms
from indian_core.norms.adagrad import adagrad
from indian_core.trust_region import DEFAULTS, check
from indian_core.trust_region.reference import Step, solve

__all__ = ["Panel", "main", "panels"]

Vector = NDArray[np.float64]

RADIUS: Final = 1.3
TOLERANCE: Final = 1e-6
ITERATIONS: Final = 2


class Panel(NamedTuple):
    """A model gᵀs + ½ sᵀBs at a point, in an ellipsoid, and the methods that minimize it there."""

    title: str
    point: Vector
    gradient: Vector
    hessian: Vector
    diagonal: Vector
    methods: tuple[str, ...]

    def step(self, method: str, iterations: int) -> Step:
        """What a method has found after so many iterations at most."""
        settings = check(
            DEFAULTS._replace(norm=None, subproblem=method, max_iterations=iterations, tolerance=TOLERANCE)
        )
        return solve(self.gradient, self.hessian.__matmul__, self.diagonal, RADIUS, 1.0, settings)

    def described(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            name: value if isinstance(value, (str, tuple)) else value.tolist() for name, value in self._asdict().items()
        }


def panels() -> list[Panel]:
    """A valley in the ball and in AdaGrad's ellipsoid of the same area, and a saddle."""
    points, gradients, hessian = descent(0.0)
    accumulator = np.zeros(2)
    coefficients = adagrad(1e-8)
    for gradient in gradients:
        accumulator = norms.accumulate(accumulator, gradient, coefficients)
    diagonal = norms.scale(accumulator, coefficients)
    valley = (points[-1], gradients[-1], hessian)
    saddle, start = np.diag([4.0, -1.0]), np.array([1.5, 0.03])
    return [
        Panel("a valley, the ball", *valley, np.ones(2), ("steihaug",)),
        Panel("a valley, AdaGrad's ellipsoid", *valley, diagonal / np.sqrt(diagonal.prod()), ("steihaug",)),
        Panel("a saddle", start, saddle @ start, saddle, np.ones(2), ("steihaug", "lanczos")),
    ]


_STYLES: Final = {"steihaug": ("conjugate gradients", "C0"), "lanczos": ("Lanczos", "C3")}


def _draw(axes: Any, panel: Panel) -> None:
    grid = np.linspace(-2.2, 2.2, 200)
    x, y = np.meshgrid(panel.point[0] + grid, panel.point[1] + grid)
    values = (panel.hessian[0, 0] * x * x + panel.hessian[1, 1] * y * y) / 2
    axes.contour(x, y, values, levels=18, colors="0.8", linewidths=0.8)
    angles = np.linspace(0, 2 * np.pi, 200)
    border = RADIUS * np.array([np.cos(angles), np.sin(angles)]) / np.sqrt(panel.diagonal)[:, np.newaxis]
    axes.plot(*(panel.point[:, np.newaxis] + border), "k--", linewidth=1, label="trust region")
    axes.plot(*panel.point, "ko")
    for method in panel.methods:
        label, color = _STYLES[method]
        way = np.array([np.zeros(2), *(panel.step(method, n).step for n in (1, 2))]) if method == "steihaug" else None
        if way is None:
            way = np.array([np.zeros(2), panel.step(method, 2).step])
        axes.plot(*(panel.point + way).T, "o-", color=color, markersize=4, label=label)
    xlim, ylim = panel.point[0] + grid[[0, -1]], panel.point[1] + grid[[0, -1]]
    axes.set(aspect="equal", title=panel.title, xlim=xlim, ylim=ylim, xlabel="θ₁", ylabel="θ₂")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture, print the table, and write the steps and the configuration."""
    options = parser("trust_region_step", __doc__, []).parse_args(arguments)
    shown = panels()
    options.output.mkdir(parents=True, exist_ok=True)
    with drawing(options.output / "step", columns=len(shown), height=3.4) as (figure, axes):
        for panel, part in zip(shown, axes.flat, strict=True):
            _draw(part, panel)
        legend_below(figure, axes.flat)
    rows, steps = [], []
    for panel in shown:
        for method in panel.methods:
            found = panel.step(method, ITERATIONS)
            ended = found.termination.name.lower().replace("_", " ")
            rows.append([panel.title, _STYLES[method][0], f"{found.model_decrease:.3f}", ended, str(found.products)])
            steps.append(
                {
                    **dict(zip(("model and region", "method", "decrease", "ended", "products"), rows[-1], strict=True)),
                    "decrease": float(found.model_decrease),
                    "step_1": float(found.step[0]),
                    "step_2": float(found.step[1]),
                }
            )
    table = markdown_table(["model and region", "method", "decrease of the model", "ended", "products"], rows)
    (options.output / "table.md").write_text(table + "\n", encoding="utf-8")
    write_csv(options.output / "steps.csv", steps)
    settings = {
        "radius": RADIUS,
        "iterations": ITERATIONS,
        "tolerance": TOLERANCE,
        "panels": [panel.described() for panel in shown],
    }
    write_json(
        options.output / "configuration.json",
        configuration(settings, ["experiments.pictures.trust_region_step"], ["numpy"]),
    )
    print(table)
