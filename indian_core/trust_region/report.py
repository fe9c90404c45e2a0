"""What a step of the trust region reports, and the words for how its subproblem ended."""

import enum
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Report", "Termination", "plain_report", "report_of_step"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


class Termination(enum.IntEnum):
    """How the search for the step ended; whole numbers, so that compiled programs can carry them."""

    RUNNING = 0
    """It has not ended."""

    CONVERGED = 1
    """Inside the ellipsoid, with a residual as small as asked; after no iteration if the gradient is zero."""

    BOUNDARY = 2
    """On the boundary, along directions of positive curvature; or by the first-order model, which has no other end."""

    NEGATIVE_CURVATURE = 3
    """On the boundary, along a direction of curvature <= 0."""

    ITERATION_LIMIT = 4
    """After ``max_iterations``; the step is the best that was found so far."""

    NOT_FINITE = 5
    """At a product with the curvature, or a gradient, that is not finite; the step is rejected."""


class Report(NamedTuple):
    """What happened in one step.

    Attributes:
        loss: The loss before the step.
        trial_loss: The loss at the trial point, on the same batch; after the step it is the loss if ``accepted``.
        model_decrease: −(gᵀs + ½ sᵀBs), by how much the model says the loss will fall.
        ratio: (loss − trial_loss) / model_decrease; 1 if ``within_rounding``, 0 if the model does not fall, NaN if a
            loss is.
        radius: Δ for the next step.
        accepted: Whether the parameters have moved.
        within_rounding: Whether the decrease, the model's and the real one, is less than the loss is known to. For a
            deterministic loss this is the end: no later step will tell itself from rounding errors.
        iterations: Iterations of conjugate gradients or Lanczos.
        termination: A `Termination`: how the search for the step ended.
        negative_curvature: Whether it met a direction of curvature <= 0.
        gradient_norm: ‖g‖ in the dual norm, √(gᵀA⁻¹g).
        step_norm: ‖s‖ of the trial step, √(sᵀAs), at most the radius that it was sought in.
        backpropagations: Spent in this step and all before it: one for each gradient, one for each product with the
            curvature. The trial loss, a forward pass, is not counted.
    """

    loss: Scalar
    trial_loss: Scalar
    model_decrease: Scalar
    ratio: Scalar
    radius: Scalar
    accepted: Scalar
    within_rounding: Scalar
    iterations: Scalar
    termination: Scalar
    negative_curvature: Scalar
    gradient_norm: Scalar
    step_norm: Scalar
    backpropagations: Scalar


def report_of_step(
    loss: Scalar, trial_loss: Scalar, solution: Any, verdict: Any, earlier_backpropagations: Scalar
) -> Report:
    """The report of a step.

    Args:
        loss: L(w).
        trial_loss: L(w + s).
        solution: An `indian_core.trust_region.problem.Solution`.
        verdict: An `indian_core.trust_region.radius.Verdict`.
        earlier_backpropagations: Those spent before this step.
    """
    return Report(
        loss=loss,
        trial_loss=trial_loss,
        model_decrease=solution.model_decrease,
        iterations=solution.iterations,
        termination=solution.termination,
        negative_curvature=solution.negative_curvature,
        gradient_norm=solution.gradient_norm,
        step_norm=solution.step_norm,
        backpropagations=earlier_backpropagations + 1 + solution.products,
        **verdict._asdict(),
    )


def plain_report(
    loss: Scalar, trial_loss: Scalar, solution: Any, verdict: Any, earlier_backpropagations: Scalar
) -> Report:
    """The report of a step as Python numbers, bools and a `Termination`; arguments as of `report_of_step`."""
    report = report_of_step(loss, trial_loss, solution, verdict, earlier_backpropagations)
    kinds: dict[str, Callable[[Any], Any]] = {
        "accepted": bool,
        "within_rounding": bool,
        "iterations": int,
        "termination": lambda value: Termination(int(value)),
        "negative_curvature": bool,
        "backpropagations": int,
    }
    return Report(**{name: kinds.get(name, float)(value) for name, value in report._asdict().items()})
