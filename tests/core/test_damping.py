"""The damping form contains SGD with momentum, AdamW and INDIAN exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from indian_core.damping import (
    allows_post_form,
    damping_of_nesterov,
    default_damping,
    direction_step,
    from_damping,
    post_damping_form,
    pre_damping_form,
    to_damping,
)
from indian_core.dynamics import StepCoefficients, velocity_step
from indian_core.norms import accumulate, norm_coefficients, scale
from indian_core.reference import trajectory

CURVATURE = np.array([0.1, 1.0, 10.0])
START = np.array([1.0, -2.0, 3.0])
STEPS = 300

FORMS = pytest.mark.parametrize("form", [pre_damping_form, post_damping_form])


def gradient(theta: np.ndarray, k: int) -> np.ndarray:
    """Of a quadratic, with noise of its own for each step."""
    return CURVATURE * theta + np.sin(k + np.arange(3))


def learning_rate(k: int) -> float:
    """Warm-up and cosine."""
    return 0.02 * min(1.0, (k + 1) / 20) * (1 + float(np.cos(np.pi * k / STEPS))) / 2


def walk(coefficients: Callable[[int], StepCoefficients], norm: tuple[float, float] | None = None) -> np.ndarray:
    """The trajectory; in a norm of RMSProp, given as (σ, ε), in order (b)."""
    theta, buffer, accumulator = START, np.zeros(3), np.zeros(3)
    thetas = [theta]
    for k in range(STEPS):
        g, c = gradient(theta, k), coefficients(k)
        if norm is None:
            displacement, buffer = velocity_step(theta, buffer, g, c)
        else:
            n = norm_coefficients("rmsprop", k + 1, *norm)
            accumulator = accumulate(accumulator, g, n)
            displacement, buffer = direction_step(theta, buffer, g, scale(accumulator, n), c)
        theta = theta + displacement
        thetas.append(theta)
    return np.stack(thetas)


def torch_walk(make: Callable[[list[torch.Tensor]], torch.optim.Optimizer]) -> np.ndarray:
    theta = torch.tensor(START, requires_grad=True)
    optimizer = make([theta])
    thetas = [START]
    for k in range(STEPS):
        optimizer.param_groups[0]["lr"] = learning_rate(k)
        theta.grad = torch.tensor(gradient(theta.detach().numpy(), k))
        optimizer.step()
        thetas.append(theta.detach().numpy().copy())
    return np.stack(thetas)


def assert_equal(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@FORMS
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.5, 0.9, 0.99])
def test_sgd_under_a_schedule(form: Callable[..., StepCoefficients], momentum: float, nesterov: bool) -> None:
    damping = damping_of_nesterov(momentum) if nesterov else 1.0
    actual = walk(lambda k: form(learning_rate(k), momentum, damping, gain=1.0))
    average = walk(lambda k: form(learning_rate(k) / (1 - momentum), momentum, damping))
    expected = torch_walk(lambda params: torch.optim.SGD(params, lr=0.1, momentum=momentum, nesterov=nesterov))
    assert_equal(actual, expected)
    assert_equal(average, expected)


@FORMS
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
def test_the_weight_decay_of_sgd_is_a_penalty(
    form: Callable[..., StepCoefficients], nesterov: bool, maximize: bool
) -> None:
    def coefficients(k: int) -> StepCoefficients:
        found = form(learning_rate(k), 0.9, damping_of_nesterov(0.9) if nesterov else 1.0, penalty=0.1, gain=1.0)
        return found.ascent() if maximize else found

    options: dict[str, bool] = {"nesterov": nesterov, "maximize": maximize}
    expected = torch_walk(lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.1, **options))
    assert_equal(walk(coefficients), expected)


@given(momentum=st.floats(1e-12, 1), count=st.none() | st.integers(1, 100))
def test_the_heavy_ball_moves_by_the_buffer_alone(momentum: float, count: int | None) -> None:
    """To the last bit, so that a kernel of SGD or AdamW is known to be the step."""
    count = None if momentum == 1 else count
    gain = None if momentum < 1 and count is not None else 1.0
    assert allows_post_form(momentum, 1.0)
    assert post_damping_form(0.1, momentum, 1.0, gain=gain, count=count).theta_gradient == 0
    assert pre_damping_form(-1.0, momentum, 1.0, gain=1.0).theta_velocity == momentum


@FORMS
@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adamw_under_a_schedule(form: Callable[..., StepCoefficients], momentum: float, weight_decay: float) -> None:
    actual = walk(
        lambda k: form(learning_rate(k), momentum, 1.0, weight_decay=weight_decay, count=k + 1), norm=(0.99, 1e-8)
    )
    expected = torch_walk(
        lambda params: torch.optim.AdamW(params, lr=0.1, betas=(momentum, 0.99), eps=1e-8, weight_decay=weight_decay)
    )
    assert_equal(actual, expected)


@FORMS
def test_momentum_of_one_is_sgd_with_momentum_of_one(form: Callable[..., StepCoefficients]) -> None:
    actual = walk(lambda k: form(learning_rate(k), 1.0, 1.0, gain=1.0))
    assert_equal(actual, torch_walk(lambda params: torch.optim.SGD(params, lr=0.1, momentum=1.0)))


@pytest.mark.parametrize("count", [None, 1])
def test_without_momentum_the_heavy_ball_is_gradient_descent(count: int | None) -> None:
    actual = walk(lambda k: pre_damping_form(0.05, 0.0, 1.0, count=None if count is None else k + 1))
    expected = [START]
    for k in range(STEPS):
        expected.append(expected[-1] - 0.05 * gradient(expected[-1], k))
    assert_equal(actual, np.stack(expected))


def test_without_momentum_the_damping_extrapolates_the_gradient() -> None:
    """The optimistic gradient method."""
    actual = walk(lambda k: pre_damping_form(0.05, 0.0, 2.0, count=k + 1))
    expected, before = [START], None
    for k in range(STEPS):
        g = gradient(expected[-1], k)
        expected.append(expected[-1] - 0.05 * (g if before is None else 2 * g - before))
        before = g
    assert_equal(actual, np.stack(expected))


@pytest.mark.parametrize(("momentum", "damping"), [(0.9, 1.0), (0.9, 3.0), (0.5, 2.0), (0.95, 7.0)])
def test_at_a_constant_rate_it_is_indian_from_rest(momentum: float, damping: float) -> None:
    step_size, alpha, beta, speed = from_damping(0.05, momentum, damping)
    expected = trajectory(gradient, START, step_size, STEPS, alpha=alpha, beta=beta, initial_speed=speed).theta
    assert_equal(walk(lambda k: pre_damping_form(0.05, momentum, damping)), expected)


@given(st.floats(1e-4, 10), st.floats(0, 0.999), st.floats(0.1, 20))
def test_the_conversions_are_inverse(learning_rate: float, momentum: float, damping: float) -> None:
    back = to_damping(*from_damping(learning_rate, momentum, damping)[:3])
    np.testing.assert_allclose(back, (learning_rate, momentum, damping), rtol=1e-9, atol=1e-12)


@given(
    momentum=st.floats(0.05, 0.999),
    damping=st.floats(0.1, 20),
    count=st.none() | st.integers(1, 10_000),
    weight_decay=st.floats(0, 1),
)
def test_both_forms_are_one_step(momentum: float, damping: float, count: int | None, weight_decay: float) -> None:
    options: dict[str, Any] = {"weight_decay": weight_decay, "count": count}
    # No buffer before the first step.
    buffer = 0.0 if count == 1 else 0.7
    pre = velocity_step(1.3, buffer, -0.4, pre_damping_form(0.1, momentum, damping, **options))
    post = velocity_step(1.3, buffer, -0.4, post_damping_form(0.1, momentum, damping, **options))
    np.testing.assert_allclose(pre, post, rtol=1e-9, atol=1e-9)


@given(momentum=st.floats(0.05, 0.99), damping=st.floats(0.1, 20), k=st.integers(1, 50))
def test_it_is_the_formula_of_quasi_hyperbolic_momentum(momentum: float, damping: float, k: int) -> None:
    nu = (1 - (1 - momentum) * damping) / momentum
    gradients = np.sin(np.arange(k))
    buffer = average = 0.0
    for g in gradients:
        displacement, buffer = velocity_step(None, buffer, g, pre_damping_form(-1.0, momentum, damping))
        average = momentum * average + (1 - momentum) * g
    np.testing.assert_allclose(displacement, (1 - nu) * gradients[-1] + nu * average, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.9, 1.0), "learning_rate must be a finite number > 0, got 0"),
        ((0.1, 1.0, 1.0), "momentum must be a number in \\[0, 1\\), got 1"),
        ((0.1, 0.9, 0.0), "damping must be a finite number > 0, got 0"),
    ],
)
def test_bad_input(arguments: tuple[float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_damping(*arguments)


def test_indian_without_friction_has_no_damping_form() -> None:
    with pytest.raises(ValueError, match="alpha must be"):
        to_damping(0.1, alpha=0.0, beta=0.1)
    with pytest.raises(ValueError, match="alpha must be"):
        to_damping(0.1, alpha=11.0, beta=0.1)


def test_the_default_lets_a_share_act_at_once_or_is_nesterovs() -> None:
    for momentum in (0.0, 0.3, 0.8, 0.9):
        assert default_damping(momentum) == pytest.approx(1 + momentum)
    for momentum in (0.9, 0.91, 0.95, 0.99):
        assert default_damping(momentum) * (1 - momentum) == pytest.approx(0.19)
    assert default_damping(1.0) == 2.0
    # Not nearly: just then PyTorch's kernel for Nesterov's momentum can take the step.
    assert default_damping(0.9) == 1.9
    np.testing.assert_allclose(default_damping(np.array([0.5, 0.95, 1.0])), [1.5, 3.8, 2.0])
