"""A picture of the norms: what gradients of the past make of the unit ball, and where the steepest step then points.

Gradient descent goes down a narrow valley, along an axis or across the axes. At its last point, the Euclidean norm and
those of AdaGrad and RMSProp, with the gradients on the way, give three ellipsoids of one volume. The table says by what
angle the steepest step of each misses the minimum.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from experiments.lib.command_line import parser
from experiments.lib.curves import write_csv, write_json
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import configuration
from experiments.lib.styles import OPTIMIZERS
from indian_core import norms

CURVATURES: Final = np.diag([1.0, 30.0])
START: Final = np.array([-6.0, 2.2])
STEP_SIZE: Final = 0.06
STEPS: Final = 18
DECAY: Final = 0.8
EPSILON: Final = 1e-8
RADIUS: Final = 1.1
ANGLES: Final = {"along the axes": 0.0, "across the axes": np.pi / 5}
STYLES: Final = {
    None: ("Euclidean", OPTIMIZERS["SGD"].colour, 5.0),
    "adagrad": ("AdaGrad", OPTIMIZERS["AdaGrad"].colour, 3.0),
    "rmsprop": ("RMSProp", OPTIMIZERS["RMSProp"].colour, 1.5),
}
"""Of each norm: its name, the color of the optimizer that has it, and a line width with which it shows under those that
are drawn after it."""


class Step(NamedTuple):
    """The steepest step in one norm.

    Attributes:
        diagonal: A, scaled such that its ellipsoid of radius `RADIUS` has the area of that circle.
        step: Of length `RADIUS` in the norm.
        miss: The angle between the step and the way to the minimum, in degrees.
    """

    diagonal: np.ndarray
    step: np.ndarray
    miss: float


def descent(angle: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The points of gradient descent in a valley turned by ``angle``, its gradients there, and the Hessian."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    hessian = turn @ CURVATURES @ turn.T
    points = [turn @ START]
    for _ in range(STEPS):
        points.append(points[-1] - STEP_SIZE * hessian @ points[-1])
    return np.array(points), np.array(points) @ hessian, hessian


def steepest(name: str | None, points: np.ndarray, gradients: np.ndarray) -> Step:
    """The steepest step at the last point, in the norm that the gradients up to there make."""
    accumulator = np.zeros(2)
    for count, gradient in enumerate(gradients, start=1):
        coefficients = norms.norm_coefficients(name, count, DECAY, EPSILON)
        accumulator = norms.accumulate(accumulator, gradient, coefficients)
    diagonal = norms.scale(accumulator, coefficients) * np.ones(2)
    diagonal = diagonal / np.sqrt(diagonal.prod())
    step = -RADIUS * norms.preconditioned(gradients[-1], diagonal) / norms.dual_norm(gradients[-1], diagonal)
    cosine = step @ -points[-1] / np.linalg.norm(step) / np.linalg.norm(points[-1])
    return Step(diagonal, step, float(np.degrees(np.arccos(cosine))))


def _draw(axes: Any, angle: float) -> dict[str | None, Step]:
    points, gradients, hessian = descent(angle)
    last = points[-1]
    x, y = np.meshgrid(np.linspace(-7.5, 3, 300), np.linspace(-5.5, 3.5, 300))
    loss = (hessian[0, 0] * x * x + 2 * hessian[0, 1] * x * y + hessian[1, 1] * y * y) / 2
    axes.contour(x, y, loss, levels=np.logspace(-0.5, 2.2, 9), colors="0.85", linewidths=0.8)
    axes.plot(*points.T, ".-", color="0.55", linewidth=0.8, markersize=3, label="gradient descent")
    axes.plot(0, 0, "k*", markersize=9, label="minimum")
    steps = {name: steepest(name, points, gradients) for name in STYLES}
    circle = np.array([np.cos(np.linspace(0, 2 * np.pi, 200)), np.sin(np.linspace(0, 2 * np.pi, 200))])
    for name, (label, color, width) in STYLES.items():
        ellipse = last[:, None] + RADIUS * circle / np.sqrt(steps[name].diagonal)[:, None]
        axes.plot(*ellipse, color=color, linewidth=width, label=label)
        axes.annotate("", last + steps[name].step, last, arrowprops={"arrowstyle": "-|>", "color": color, "lw": width})
    axes.set_aspect("equal")
    axes.set_xlim(-7.5, 1.0)
    axes.set_ylim(-5.5, 3.0)
    return steps


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture, print the table, and write the steps and the configuration."""
    options = parser("norm_ellipsoids", __doc__, []).parse_args(arguments)
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["| valley | " + " | ".join(label for label, *_ in STYLES.values()) + " |", "|---" * 4 + "|"]
    found: list[dict[str, Any]] = []
    with drawing(folder / "norm_ellipsoids", columns=len(ANGLES), height=4.7) as (figure, panels):
        drawn = {title: _draw(axes, angle) for axes, (title, angle) in zip(panels.flat, ANGLES.items(), strict=True)}
        for axes, title in zip(panels.flat, ANGLES, strict=True):
            axes.set(title=f"valley {title}", xlabel="θ₁", ylabel="θ₂")
        legend_below(figure, panels.flat)
    for title, steps in drawn.items():
        lines.append(f"| {title} | " + " | ".join(f"{steps[name].miss:.0f}°" for name in STYLES) + " |")
        for name, step in steps.items():
            (first, second), (along, across) = step.diagonal.tolist(), step.step.tolist()
            ellipsoid = {"diagonal_1": first, "diagonal_2": second, "step_1": along, "step_2": across}
            found.append({"valley": title, "norm": STYLES[name][0], **ellipsoid, "miss_in_degrees": step.miss})
    table = "\n".join(lines)
    (folder / "table.md").write_text(table + "\n", encoding="utf-8")
    write_csv(folder / "steps.csv", found)
    settings = {
        "curvatures": np.diag(CURVATURES).tolist(),
        "start": START.tolist(),
        "angles": ANGLES,
        "step_size": STEP_SIZE,
        "steps": STEPS,
        "norms": [label for label, *_ in STYLES.values()],
        "decay": DECAY,
        "epsilon": EPSILON,
        "radius": RADIUS,
    }
    write_json(
        folder / "configuration.json", configuration(settings, ["experiments.pictures.norm_ellipsoids"], ["numpy"])
    )
    print(table)


if __name__ == "__main__":
    main()
