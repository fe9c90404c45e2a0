"""The processes of this suite end with the test run, also if it is interrupted or killed."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

RUN = [sys.executable, "-m", "pytest", "tests/cross_framework/test_trust_region.py", "-p", "no:cacheprovider", "-q"]
MARK = "INDIAN_TESTS_RUN"

# In seconds, for a busy machine: until the run has started a process and until it has ended; until none is left.
RUN_TIMEOUT = 600.0
END_TIMEOUT = 30.0


def marked(run_id):
    """The processes that have inherited the mark of a run: also those whose parents have ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == run_id and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            pass
    return found


def any_worker(processes):
    """Whether a process of an implementation is among these."""
    for process in processes:
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                return True
        except psutil.Error:
            pass
    return False


def wait_for(condition, timeout):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "options"),
    [
        pytest.param(None, ["-n", "1", "-k", "PyTorch and saddle"], id="to its end"),
        pytest.param(signal.SIGINT, [], id="interrupted"),
        pytest.param(signal.SIGKILL, ["-n", "1"], id="killed"),
    ],
)
def test_no_process_outlives_the_run(ending, options):
    run_id = str(uuid.uuid4())
    # What steers this run of pytest, xdist's workers among it, is not for the other one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.Popen(
        RUN + options,
        cwd=Path(__file__).parents[2],
        env=environment | {MARK: run_id},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # The jobs that a shell runs in the background ignore this signal, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        wait_for(lambda: run.poll() is not None or any_worker(marked(run_id)), RUN_TIMEOUT)
        assert run.poll() is None, run.stdout.read()
        if ending is not None:
            run.send_signal(ending)
        # Not `communicate`: a process that is left would hold the pipe open.
        assert (run.wait(RUN_TIMEOUT) == 0) == (ending is None)
        wait_for(lambda: not marked(run_id), END_TIMEOUT)
    finally:
        for process in [run, *marked(run_id)]:
            process.kill()
        run.stdout.close()
        run.wait()
