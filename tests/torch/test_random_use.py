"""Random sequences of what users do, in a process of their own, so that a crash of it is a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEQUENCES = 2000


@pytest.mark.slow
def test_random_use_breaks_no_law() -> None:
    """No crash, no change after an error, the trajectory of the plain implementation. See `tests.torch.random_use`."""
    command = [sys.executable, "-X", "faulthandler", "-m", "tests.torch.random_use", "--sequences", str(SEQUENCES)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=600)
    # The last seed that it printed is that of the failure, or of the crash.
    assert run.returncode == 0, run.stdout[-500:] + run.stderr[-5000:]
    assert f"{SEQUENCES} sequences" in run.stdout
