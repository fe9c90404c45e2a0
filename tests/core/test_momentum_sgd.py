"""INDIAN and SGD with momentum take the same steps."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indian_core.momentum_sgd import MomentumSGDSettings, from_momentum_sgd, to_momentum_sgd
from indian_core.reference import trajectory

CURVATURE = np.array([0.1, 1.0, 10.0])
START = np.array([1.0, -2.0, 3.0])
STEPS = 200

learning_rates = st.floats(1e-6, 1)
momenta = st.floats(1e-3, 1)


def gradient(theta: np.ndarray, k: int) -> np.ndarray:
    """Of a quadratic, with noise of its own for each step."""
    return CURVATURE * theta + np.sin(k + np.arange(3))


def sgd_trajectory(learning_rate: float, momentum: float, nesterov: bool) -> np.ndarray:
    """SGD with momentum as the frameworks write it, by hand."""
    theta, buffer = START, np.zeros(3)
    thetas = [theta]
    for k in range(STEPS):
        g = gradient(theta, k)
        buffer = momentum * buffer + g
        theta = theta - learning_rate * (g + momentum * buffer if nesterov else buffer)
        thetas.append(theta)
    return np.stack(thetas)


def indian_trajectory(learning_rate: float, alpha: float, beta: float, initial_speed: float) -> np.ndarray:
    return trajectory(gradient, START, learning_rate, STEPS, alpha=alpha, beta=beta, initial_speed=initial_speed).theta


@pytest.mark.parametrize("nesterov", [False, True], ids=["heavy_ball", "nesterov"])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("learning_rate", [0.01, 0.001])
def test_indian_takes_the_steps_of_sgd(learning_rate: float, momentum: float, nesterov: bool) -> None:
    settings = from_momentum_sgd(learning_rate, momentum, nesterov=nesterov)
    expected = sgd_trajectory(learning_rate, momentum, nesterov)
    np.testing.assert_allclose(indian_trajectory(*settings), expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("step_size", "alpha", "beta"),
    [
        (0.1, 1.0, 0.1),  # heavy ball, μ = 0.9
        (0.1, 1.0, 0.19),  # Nesterov, μ = 0.9
        (0.1, 0.0, 0.1),  # heavy ball without friction
        (0.1, 10.0, 0.1),  # gradient descent, and the heavy ball with μ = 0
        (0.05, 4.0, 0.25),  # gradient descent
        (0.05, 40.0, 0.025),  # gradient descent with αγ > 1
    ],
)
def test_sgd_takes_the_steps_of_indian(step_size: float, alpha: float, beta: float) -> None:
    settings = to_momentum_sgd(step_size, alpha, beta)
    actual = sgd_trajectory(*settings)
    np.testing.assert_allclose(
        actual, indian_trajectory(step_size, alpha, beta, initial_speed=beta), rtol=0, atol=1e-11 * np.abs(actual).max()
    )


@given(learning_rates, momenta, st.booleans())
def test_from_sgd_and_back(learning_rate: float, momentum: float, nesterov: bool) -> None:
    step_size, alpha, beta, initial_speed = from_momentum_sgd(learning_rate, momentum, nesterov=nesterov)
    assert initial_speed == beta
    back = to_momentum_sgd(step_size, alpha, beta)
    assert back.nesterov is nesterov
    assert back.learning_rate == pytest.approx(learning_rate, rel=1e-14)
    assert back.momentum == pytest.approx(momentum, rel=1e-12)


@given(st.floats(1e-3, 1), momenta, st.booleans())
def test_to_sgd_and_back(step_size: float, momentum: float, nesterov: bool) -> None:
    alpha, beta = (1 - momentum) / step_size, (1 + momentum if nesterov else 1) * step_size
    back = from_momentum_sgd(*to_momentum_sgd(step_size, alpha, beta)[:2], nesterov=nesterov)
    # α is 0 where μ is 1.
    assert back == pytest.approx((step_size, alpha, beta, beta), rel=1e-12, abs=1e-12)


@given(learning_rates, st.booleans())
def test_sgd_without_momentum_is_gradient_descent(learning_rate: float, nesterov: bool) -> None:
    step_size, alpha, beta, _ = from_momentum_sgd(learning_rate, 0.0, nesterov=nesterov)
    assert alpha * beta == pytest.approx(1, rel=1e-14)
    assert to_momentum_sgd(step_size, alpha, beta) == (pytest.approx(learning_rate, rel=1e-14), 0.0, False)


def test_values_of_a_tuned_nesterov_sgd() -> None:
    assert from_momentum_sgd(0.01, 0.9, nesterov=True) == pytest.approx((0.1, 1.0, 0.19, 0.19), rel=1e-14)
    assert to_momentum_sgd(0.1, 1.0, 0.19) == MomentumSGDSettings(pytest.approx(0.01), pytest.approx(0.9), True)


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (from_momentum_sgd, (0, 0.9), ValueError, "learning_rate must be a finite number > 0, got 0"),
        (from_momentum_sgd, (math.nan, 0.9), ValueError, "learning_rate must be a finite number > 0, got nan"),
        (from_momentum_sgd, ("x", 0.9), TypeError, "learning_rate must be a finite number > 0, got 'x' of type str"),
        (from_momentum_sgd, (0.1, -0.1), ValueError, "momentum must be a number in [0, 1], got -0.1"),
        (from_momentum_sgd, (0.1, 1.1), ValueError, "momentum must be a number in [0, 1], got 1.1"),
        (from_momentum_sgd, (0.1, None), TypeError, "momentum must be a number in [0, 1], got None of type NoneType"),
        (to_momentum_sgd, (0.0, 1.0, 0.1), ValueError, "learning_rate must be a finite number > 0, got 0.0"),
        (to_momentum_sgd, (0.1, -1.0, 0.1), ValueError, "alpha must be a finite number >= 0, got -1.0"),
        (to_momentum_sgd, (0.1, 1.0, 0.0), ValueError, "beta must be a finite number > 0, got 0.0"),
        (to_momentum_sgd, (0.1, 1.0, "x"), TypeError, "beta must be a finite number > 0, got 'x' of type str"),
    ],
)
def test_bad_arguments(function: Any, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        function(*arguments)
    assert str(caught.value) == message


def test_nesterov_must_be_a_flag() -> None:
    with pytest.raises(TypeError, match="nesterov must be True or False, got 1 of type int"):
        from_momentum_sgd(0.1, 0.9, nesterov=1)  # type: ignore[arg-type]


def test_indian_that_is_no_sgd_is_refused_and_told_what_would_be() -> None:
    with pytest.raises(ValueError, match=r"beta must be .* = 0\.1 \(heavy ball\), .* = 0\.19 \(Nesterov\).*, got 0\.5"):
        to_momentum_sgd(0.1, 1.0, 0.5)


def test_negative_momentum_is_refused() -> None:
    """β = γ, but αγ > 1."""
    with pytest.raises(ValueError, match=r"alpha must be a number in \[0, 10\], got 20\.0"):
        to_momentum_sgd(0.1, 20.0, 0.1)
