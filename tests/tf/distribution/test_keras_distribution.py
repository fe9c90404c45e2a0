"""`keras.distribution` on eight virtual devices takes the steps of one device, with the state where the model is."""

import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("keras-distribution")


@pytest.fixture(scope="module")
def run(run_program):
    flags = "--xla_force_host_platform_device_count=8 --xla_cpu_multi_thread_eigen=false"
    return run_program("keras_distribution", XLA_FLAGS=flags, JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")


@pytest.mark.parametrize("parallel", ["data", "model"])
@pytest.mark.parametrize("quantity", ["theta", "phase"])
def test_eight_devices_take_the_steps_of_one(run, parallel, quantity):
    # The largest difference measured is 4.5e-16.
    np.testing.assert_allclose(run[f"{parallel}/{quantity}"], run[f"one/{quantity}"], rtol=0, atol=1e-14)


@pytest.mark.parametrize(("parallel", "parts"), [("data", [32, 8, 8, 1]), ("model", [8, 2, 2, 1])])
@pytest.mark.parametrize("of", ["parameters", "state", "phases"])
def test_a_device_has_the_state_of_its_part_of_the_model_and_no_more(run, parallel, parts, of):
    # Velocities and accumulators.
    expected = 2 * parts if of == "state" else parts
    np.testing.assert_array_equal(run[f"{parallel}-parts/{of}"], expected)
