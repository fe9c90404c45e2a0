"""INDIAN in the norm of RMSProp from AdamW's hyperparameters."""

import numpy as np
import pytest

from indian_core.adamw import from_adamw
from indian_core.damping import pre_damping_form, to_damping
from indian_core.dynamics import velocity_step
from indian_core.reference import trajectory

START = np.array([1.0, -2.0, 3.0])
STEPS = 200


def gradient(theta: np.ndarray, k: int) -> np.ndarray:
    """Of a quadratic, with noise of its own for each step."""
    return np.array([0.1, 1.0, 10.0]) * theta + np.sin(k + np.arange(3))


@pytest.mark.parametrize("damping", [1.0, 1.9, 3.0])
def test_it_takes_the_steps_of_the_damping_form_that_averages_scaled_gradients(damping: float) -> None:
    """At a constant rate and without decay, after the bias of the average, which INDIAN leaves in."""
    settings = from_adamw(0.01, 0.9, 0.99, eps=1e-3, damping=damping)
    arguments = settings._asdict()
    rate = arguments.pop("learning_rate")
    found = trajectory(gradient, START, rate, STEPS, **arguments).theta
    theta, buffer, square = START, np.zeros(3), np.zeros(3)
    for k in range(STEPS):
        g = gradient(theta, k)
        square = 0.99 * square + 0.01 * g**2
        scaled = g / (np.sqrt(square / (1 - 0.99 ** (k + 1))) + 1e-3)
        step, buffer = velocity_step(theta, buffer, scaled, pre_damping_form(0.01, 0.9, damping))
        theta = theta + step
        np.testing.assert_allclose(found[k + 1], theta, rtol=0, atol=1e-12)


def test_the_damping_form_gives_adamws_own_back() -> None:
    settings = from_adamw(0.01, 0.9, damping=1.9)
    found = to_damping(settings.learning_rate, settings.alpha, settings.beta)
    assert found == pytest.approx((0.01, 0.9, 1.9))


@pytest.mark.parametrize("damping", [1.0, 1.9, 3.0])
def test_it_decays_at_the_rate_of_adamw_in_the_end(damping: float) -> None:
    arguments = from_adamw(1e-3, 0.9, weight_decay=0.1, damping=damping)._asdict()
    rate = arguments.pop("learning_rate")
    theta = trajectory(lambda theta, k: 0 * theta, START, rate, STEPS, **arguments).theta
    np.testing.assert_allclose(theta[-1] / theta[-2], 1 - 1e-3 * 0.1, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be"),
        ({"learning_rate": 0.01, "beta1": 1.0}, "beta1 must be"),
        ({"learning_rate": 0.01, "beta2": -0.1}, "beta2 must be"),
        ({"learning_rate": 0.01, "eps": -1e-8}, "eps must be"),
        ({"learning_rate": 0.01, "weight_decay": -0.1}, "weight_decay must be"),
        ({"learning_rate": 0.01, "damping": 0.0}, "damping must be"),
    ],
)
def test_each_argument_has_its_range(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_adamw(**arguments)
