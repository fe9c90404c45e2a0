"""Acceptance of a step, and the radius after it."""

from typing import Any, NamedTuple, TypeAlias

import numpy

from indian_core.trust_region.report import Termination
from indian_core.trust_region.rounding import rounding_error
from indian_core.trust_region.settings import Settings

__all__ = ["Verdict", "judge"]

Scalar: TypeAlias = Any
"""A Python number, or an array of any framework with no dimensions."""


class Verdict(NamedTuple):
    """What becomes of a step.

    Attributes:
        ratio: (loss − trial loss) / model decrease; 1 within rounding, 0 if the model does not fall.
        accepted: Whether the parameters take the step.
        within_rounding: Whether both decreases are within the rounding error of the loss, or the batch is fitted
            perfectly.
        radius: Δ for the next step.
    """

    ratio: Scalar
    accepted: Scalar
    within_rounding: Scalar
    radius: Scalar


def judge(
    loss: Scalar,
    trial_loss: Scalar,
    model_decrease: Scalar,
    radius: Scalar,
    termination: Scalar,
    settings: Settings,
    *,
    eps: float,
    xp: Any = numpy,
) -> Verdict:
    """Compare the decrease of the loss with that of the model.

    The rule of the method: a step whose ratio is at least η₁ is accepted; the radius grows to min(γ₁Δ, Δ_max) where the
    ratio exceeds η₂, stays between the two, and shrinks to Δ/γ₂ below η₁. A ratio that is not finite, as where the
    trial loss is NaN or infinite, rejects the step.

    Near a minimum both decreases fall below the rounding error of the loss, and their quotient says nothing. The ratio
    then counts as 1, as Conn, Gould, Toint, "Trust Region Methods" (2000), §17.4.2 propose, with two restrictions: the
    step is accepted only if the loss has not grown, so that an accepted step never raises it; and the radius grows only
    after a step to the boundary, from where a longer one may be told from rounding errors.

    A loss of exactly 0 that the step does not lower, and of which the model promises no more than √eps, is that of a
    batch which is fitted perfectly. Its gradient is made of rounding errors, so the batch says nothing of the radius,
    and the radius stays as it is.

    Args:
        loss: L(w).
        trial_loss: L(w + s), on the same batch.
        model_decrease: −(gᵀs + ½ sᵀBs).
        radius: Δ.
        termination: The `Termination` of the search for the step.
        settings: With η₁, η₂, γ₁, γ₂ and Δ_max, as from `indian_core.trust_region.check`.
        eps: The distance from 1 to the next number in the dtype of the loss.
        xp: Namespace of the scalars.

    Example:
        >>> from indian_core.trust_region import check
        >>> settings = check(Settings(max_radius=1.0, expand_factor=2.0))
        >>> verdict = judge(3.0, 1.0, 2.0, 0.25, Termination.BOUNDARY, settings, eps=1e-16)
        >>> float(verdict.ratio), bool(verdict.accepted), float(verdict.radius)
        (1.0, True, 0.5)
    """
    decrease = loss - trial_loss
    error = rounding_error(loss, eps, xp=xp)
    # Nothing else tells the scale of a loss that is exactly 0. A gradient that is not finite is no fit.
    fitted = (loss == 0) & (trial_loss >= 0) & (model_decrease <= eps**0.5) & xp.isfinite(model_decrease)
    within_rounding = fitted | ((xp.abs(decrease) <= error) & (xp.abs(model_decrease) <= error))
    # A model that does not fall is no model: by rounding errors, or not finite.
    falls = model_decrease > 0
    ratio = xp.where(falls, decrease / xp.where(falls, model_decrease, 1.0), 0.0 * decrease)
    ratio = xp.where(within_rounding, 1.0, ratio)
    good = within_rounding | (falls & xp.isfinite(ratio) & (ratio >= settings.accept_ratio))
    on_boundary = (termination == Termination.BOUNDARY) | (termination == Termination.NEGATIVE_CURVATURE)
    may_grow = xp.logical_not(within_rounding) | (on_boundary & xp.logical_not(fitted))
    grown = settings.expand_factor * radius
    grown = xp.where(grown < settings.max_radius, grown, settings.max_radius)
    # A radius that somebody has set beyond the maximum is not cut where the rule lets it stay or grow.
    grown = xp.where(grown > radius, grown, radius)
    grows = good & (ratio > settings.expand_ratio) & may_grow
    next_radius = xp.where(good, xp.where(grows, grown, radius), radius / settings.shrink_factor)
    return Verdict(ratio, good & (trial_loss <= loss), within_rounding, next_radius)
