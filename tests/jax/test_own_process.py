"""Runs the tests in `own_process` in a process with 8 virtual devices, in which Keras uses JAX."""

import os
import pathlib
import subprocess
import sys

import pytest

_FOLDER = pathlib.Path(__file__).parent / "own_process"


@pytest.mark.thorough
def test_the_folder_passes_on_eight_devices_and_with_keras_on_jax() -> None:
    # What steers this run of pytest, xdist's workers among it, is not for the other one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["KERAS_BACKEND"] = "jax"
    environment["XLA_FLAGS"] = environment.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
    options = ["-p", "no:xdist", "-p", "no:cacheprovider", "--tb=short", "--color=no"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", str(_FOLDER), *options],
        env=environment,
        cwd=_FOLDER.parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, f"\n{run.stdout}\n{run.stderr}"
    for module in _FOLDER.glob("test_*.py"):
        assert module.name in run.stdout
