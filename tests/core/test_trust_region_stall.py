"""What the reports of good and bad losses make the watch say, and when."""

import numpy as np
import pytest
import scipy.optimize

from indian_core.trust_region import Report, Termination, reference
from indian_core.trust_region.stall import StallWatch


def report(loss: float, trial_loss: float, model_decrease: float) -> Report:
    ratio = (loss - trial_loss) / model_decrease
    return Report(
        loss=loss,
        trial_loss=trial_loss,
        model_decrease=model_decrease,
        ratio=ratio,
        radius=1.0,
        accepted=ratio > 1e-4,
        within_rounding=False,
        iterations=1,
        termination=Termination.BOUNDARY,
        negative_curvature=False,
        gradient_norm=1.0,
        step_norm=1.0,
        backpropagations=2,
    )


def said(reports: list[Report]) -> list[str]:
    watch = StallWatch("closure")
    return [message for each in reports if (message := watch.see(each)) is not None]


def test_a_loss_that_does_not_see_the_step_is_named_once() -> None:
    (message,) = said([report(1.0, 1.0, 0.1)] * 50)
    assert "closure does not see the step" in message
    assert said([report(1.0, 1.0, 0.1)] * 2) == []
    assert said([report(1.0, 1.0, 0.1), report(1.0, 1.0, 0.1), report(1.0, 0.9, 0.1)] * 20) == []


def test_steps_that_move_the_loss_a_little_count_against_a_stall() -> None:
    unmoved, moved = report(1.0, 1.0, 0.1), report(1.0, 1.0 - 1e-9, 1e-9)
    assert said([unmoved, unmoved, moved, moved] * 20) == []


def test_a_loss_of_two_batches_is_named_once() -> None:
    generator = np.random.default_rng(0)
    reports = [report(*generator.normal(size=2), 1e-3) for _ in range(200)]
    (message,) = said(reports)
    assert "not the same function" in message


@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
@pytest.mark.parametrize("radius", [1e-4, 1.0, 1e4])
def test_nothing_is_said_of_a_hard_problem(subproblem: str, norm: str | None, radius: float) -> None:
    optimize = scipy.optimize
    run = reference.minimize(
        optimize.rosen,
        optimize.rosen_der,
        optimize.rosen_hess_prod,
        np.linspace(-3.0, 5.0, 8),
        steps=300,
        norm=norm,
        subproblem=subproblem,
        radius=radius,
        max_radius=1e5,
        expand_factor=2.0,
    )
    assert said(run.reports) == []


def test_nothing_is_said_of_a_radius_that_is_far_too_large() -> None:
    """Sixty steps are rejected, each with a loss that rises by orders of magnitude."""
    reports = [report(1.0, 1.0 + 10.0 ** (50 - k), 0.1) for k in range(60)]
    assert not any(each.accepted for each in reports)
    assert said(reports) == []


def test_nothing_is_said_of_losses_that_are_not_finite() -> None:
    assert said([report(1.0, np.nan, 0.1), report(np.inf, np.inf, 0.1)] * 30) == []


@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_nothing_is_said_of_a_fit_to_the_last_digit(norm: str | None) -> None:
    """The loss is rounding errors then, and the steps become so short that the parameters round them away."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(64, 5)).astype("float32")
    targets = inputs.sum(1)
    run = reference.minimize(
        lambda w: np.mean((inputs @ w - targets) ** 2),
        lambda w: 2 * inputs.T @ (inputs @ w - targets) / 64,
        lambda w, v: 2 * inputs.T @ (inputs @ v) / 64,
        np.zeros(5, "float32"),
        steps=200,
        norm=norm,
        radius=0.3,
    )
    assert run.reports[-1].loss < 1e-12
    assert said(run.reports) == []


def test_a_radius_that_a_fitted_batch_has_shrunk_is_named_once() -> None:
    """The losses of one batch are rounding errors, each step of it shrinks the radius, and the other learns no more."""
    good, radius, reports = report(1.0, 0.9, 0.1)._replace(radius=0.5, step_norm=0.3), 0.5, []
    for _ in range(200):
        radius /= 1.5
        fitted = report(2e-14, 3e-14, 4e-15)._replace(radius=radius)
        starved = report(1.0, 1.0 - radius, radius)._replace(within_rounding=radius < 1e-7)
        reports += [starved._replace(radius=radius, step_norm=radius), fitted]
    (message,) = said(reports)
    assert "the radius has fallen to" in message
    assert said([good] * 400) == []
    # A run that has reached its minimum needs no radius.
    assert said([good] + [each for each in reports if each.loss < 1e-6]) == []
