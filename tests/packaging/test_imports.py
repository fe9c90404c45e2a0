"""What importing a package loads: its own framework and nothing of the others."""

import subprocess
from collections.abc import Callable

import pytest

FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "optax"}

RunPython = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def frameworks_loaded_by(run_here: RunPython) -> Callable[..., set[str]]:
    def loaded(package: str, **environment: str) -> set[str]:
        program = f"import sys, {package}\nprint('loaded', *{FRAMEWORKS} & set(sys.modules))"
        done = run_here(program, **environment)
        assert done.returncode == 0, done.stderr
        return set(done.stdout.splitlines()[-1].split()[1:])

    return loaded


@pytest.mark.parametrize(
    ("package", "frameworks"),
    [("indian_core", set()), ("indian_torch", {"torch"}), ("indian_jax", {"jax", "optax"})],
)
def test_import_loads_only_its_own_framework(
    frameworks_loaded_by: Callable[..., set[str]], package: str, frameworks: set[str]
) -> None:
    assert frameworks_loaded_by(package) == frameworks


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_import_of_the_keras_adapter_loads_what_keras_loads(
    frameworks_loaded_by: Callable[..., set[str]], backend: str
) -> None:
    # Keras itself imports JAX, where it is installed, on every backend.
    by_keras = frameworks_loaded_by("keras", KERAS_BACKEND=backend)
    assert {"keras", backend} <= by_keras
    assert frameworks_loaded_by("indian_tf", KERAS_BACKEND=backend) == by_keras


def test_core_loads_no_third_party_package_but_numpy(run_here: RunPython) -> None:
    program = (
        "import sys\nbefore = set(sys.modules)\nimport indian_core\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print('loaded', *loaded - sys.stdlib_module_names)"
    )
    done = run_here(program)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "indian_core" in loaded
    assert loaded <= {"indian_core", "numpy"}
