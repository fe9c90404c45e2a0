"""Training on several devices: each backend has its own ways, and reads how many devices there are when it starts.

So each file here belongs to one backend, and its training happens in processes of its own.
"""

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

_BACKEND_OF = {
    "test_mirrored_strategy.py": "tensorflow",
    "test_multi_worker_mirrored_strategy.py": "tensorflow",
    "test_keras_distribution.py": "jax",
    "test_distributed_data_parallel.py": "torch",
}
collect_ignore = [name for name, backend in _BACKEND_OF.items() if backend != keras.backend.backend()]


@pytest.fixture(scope="module")
def run_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, np.ndarray]]:
    """Run a program of this folder, in as many processes as it is given argument lists; the arrays they saved."""

    def run(program: str, *arguments: list[Any], **environment: str) -> dict[str, np.ndarray]:
        directory = tmp_path_factory.mktemp(program)
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", f"tests.tf.distribution.{program}", str(directory), *map(str, values)],
                cwd=pathlib.Path(__file__).parents[3],
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for values in arguments or [[]]
        ]
        try:
            outputs = [process.communicate(timeout=600)[0] for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(outputs)
        return {
            f"{path.stem}/{name}": array for path in directory.glob("*.npz") for name, array in np.load(path).items()
        }

    return run
