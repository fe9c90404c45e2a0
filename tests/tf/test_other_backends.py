"""The tests of this folder and the examples of `indian_tf`, on the backends that this process does not use."""

import os
import pathlib
import subprocess
import sys

import keras
import pytest

from tests.scopes import scope_of

_FOLDER = pathlib.Path(__file__).parent
_OTHERS = [backend for backend in ("tensorflow", "jax", "torch") if backend != keras.backend.backend()]


@pytest.mark.slow
@pytest.mark.parametrize("backend", _OTHERS)
def test_the_folder_passes_on(backend: str, request: pytest.FixtureRequest) -> None:
    pytest.importorskip(backend, reason=f"the Keras backend {backend} is not installed")
    # What steers this run of pytest, xdist's workers among it, is not for the other one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", str(_FOLDER), "indian_tf", f"--ignore={__file__}"]
    # The trust region is for TensorFlow alone.
    command += [] if backend == "tensorflow" else ["--ignore-glob=*trust_region*"]
    # A run that leaves tests out takes the fast ones on the other backends.
    command += ["--scope=all" if scope_of(request.config) == "all" else "--scope=fast"]
    options = ["-p", "no:xdist", "-p", "no:cacheprovider", "--tb=short", "--color=no"]
    run = subprocess.run(
        command + options,
        env=environment | {"KERAS_BACKEND": backend},
        cwd=_FOLDER.parents[1],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert f"keras backend: {backend}" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0, f"\n{run.stdout}\n{run.stderr}"
