"""`tf.distribute.MirroredStrategy` on two devices takes the steps of one device."""

import numpy as np
import pytest

from tests.tf.distribution import mirrored_strategy

pytestmark = pytest.mark.xdist_group("mirrored-strategy")
each_quantity = pytest.mark.parametrize("quantity", ["theta", "phase"])


@pytest.fixture(scope="module")
def run(run_program):
    return run_program("mirrored_strategy")


@pytest.mark.parametrize("case", mirrored_strategy.CASES)
@each_quantity
def test_two_devices_take_the_steps_of_one(run, case, quantity):
    one, two = (run[f"{devices}-{case}/{quantity}"] for devices in ("one", "two"))
    # The largest difference measured is 2.3e-16.
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-14)


@each_quantity
def test_a_loop_takes_the_steps_of_fit(run, quantity):
    np.testing.assert_allclose(run[f"two-loop/{quantity}"], run[f"one-network/{quantity}"], rtol=0, atol=1e-14)


@pytest.mark.parametrize("devices", ["one", "two"])
@each_quantity
def test_what_two_devices_saved_resumes_on_one_and_on_two(run, devices, quantity):
    resumed, expected = run[f"{devices}-after-two/{quantity}"], run[f"one-network/{quantity}"]
    np.testing.assert_allclose(resumed, expected[-len(resumed) :], rtol=0, atol=1e-14)
