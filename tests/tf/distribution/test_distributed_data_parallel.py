"""`torch.nn.parallel.DistributedDataParallel` on two processes takes the steps of one process."""

import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("distributed-data-parallel")


@pytest.fixture(scope="module")
def run(run_program):
    return run_program("distributed_data_parallel", [0], [1])


@pytest.mark.parametrize("process", [0, 1])
@pytest.mark.parametrize("quantity", ["theta", "phase"])
def test_two_processes_take_the_steps_of_one(run, process, quantity):
    alone, together = run[f"alone/{quantity}"], run[f"process-{process}/{quantity}"]
    # The largest difference measured is 1.4e-16.
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-14)
