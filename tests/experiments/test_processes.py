"""Processes that experiments and the demo start end with them, however they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

# A run that says in which process it is, and takes longer than the test waits.
_RUN = """
import os, time
from pathlib import Path

def sleep(configuration, folder):
    Path(folder, f"{os.getpid()}.pid").touch()
    time.sleep(600)
"""

_EXECUTE = """
import signal, sys
from pathlib import Path
# Jobs in the background ignore it, and their children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
from experiments.lib.runs import Job, execute

folder = Path(sys.argv[1])
if __name__ == "__main__":
    execute([Job("sleeping:sleep", {"x": x}) for x in (1, 2, 3)], folder / "runs", 2, "runs", {"folder": str(folder)})
"""

_DEMO = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from experiments.demo.processes import run_frameworks
from experiments.demo.task import Task

folder = Path(sys.argv[1])
report = lambda framework, *_: (folder / "reported.pid").touch()
run_frameworks(["torch"], Task(epochs=10**6, seed=0, dtype="float32"), folder, report)
"""

_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]


def _wait(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def _ended_children(script, signal_number, folder, reports):
    """Starts a script, sends it a signal when its children have reported, and returns its children."""
    path = folder / "script.py"
    path.write_text(script, encoding="utf-8")
    with (folder / "output.txt").open("w") as output:
        root = Path(__file__).parents[2]
        parent = subprocess.Popen(
            [sys.executable, path, folder],
            cwd=root,
            stdout=output,
            stderr=output,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
    try:
        assert _wait(lambda: len(list(folder.glob("*.pid"))) >= reports), (folder / "output.txt").read_text()
        children = psutil.Process(parent.pid).children(recursive=True)
        parent.send_signal(signal_number)
        assert parent.wait(60) != 0
        return children
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.parametrize("signal_number", _SIGNALS)
def test_runs_end_with_the_experiment(signal_number, tmp_path):
    (tmp_path / "sleeping.py").write_text(_RUN, encoding="utf-8")
    children = _ended_children(_EXECUTE, signal_number, tmp_path, reports=2)
    assert len(children) >= 2
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


@pytest.mark.parametrize("signal_number", _SIGNALS)
def test_workers_end_with_the_demo(signal_number, tmp_path):
    children = _ended_children(_DEMO, signal_number, tmp_path, reports=1)
    assert len(children) == 1
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_worker_of_the_demo_ends_when_its_standard_input_does_though_its_output_is_read(tmp_path):
    task = json.dumps({"epochs": 10**6, "seed": 0, "dtype": "float32"})
    command = [sys.executable, "-m", "experiments.demo.worker", "torch", task, tmp_path]
    root = Path(__file__).parents[2]
    with (tmp_path / "output.txt").open("w") as output:
        worker = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=output)
    try:
        assert _wait(lambda: (tmp_path / "output.txt").stat().st_size > 0)
        worker.stdin.close()
        assert worker.wait(60) == 1
    finally:
        worker.kill()
        worker.wait()
