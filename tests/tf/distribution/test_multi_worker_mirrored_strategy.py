"""`tf.distribute.MultiWorkerMirroredStrategy` on two processes takes the steps of one process."""

import contextlib
import socket

import numpy as np
import pytest

pytestmark = pytest.mark.xdist_group("multi-worker-mirrored-strategy")


@pytest.fixture(scope="module")
def run(run_program):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("localhost", 0))
        ports = [one.getsockname()[1] for one in sockets]
    return run_program("multi_worker_mirrored_strategy", [0, *ports], [1, *ports])


@pytest.mark.thorough
@pytest.mark.parametrize("worker", [0, 1])
@pytest.mark.parametrize("quantity", ["theta", "phase"])
def test_two_workers_take_the_steps_of_one_process(run, worker, quantity):
    alone, together = run[f"alone/{quantity}"], run[f"worker-{worker}/{quantity}"]
    # The largest difference measured is 2.3e-16.
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-14)


@pytest.mark.parametrize("optimizer", ["sgd", "indian"])
def test_fit_across_workers_is_beyond_keras_itself(run, optimizer):
    """Once Keras can, this fails, and the documentation needs to say so."""
    assert "PerReplica" in str(run[f"worker-0/fit with {optimizer}"])
