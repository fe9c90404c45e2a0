"""What importing a package loads: its own framework and nothing of the others."""

import subprocess
import sys
from collections.abc import Callable

import pytest

FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "optax"}

ModulesLoadedBy = Callable[..., set[str]]


@pytest.fixture
def modules_loaded_by(run_here: Callable[..., subprocess.CompletedProcess[str]]) -> ModulesLoadedBy:
    """The top-level modules that `second` loads in a new process, where `first` has been imported before."""

    def loaded(second: str, first: str = "sys", **environment: str) -> set[str]:
        program = (
            f"import sys, {first}\nbefore = set(sys.modules)\nimport {second}\n"
            "print('loaded', *{name.partition('.')[0] for name in set(sys.modules) - before})"
        )
        done = run_here(program, **environment)
        assert done.returncode == 0, done.stderr
        names = set(done.stdout.splitlines()[-1].split()[1:])
        assert second in names
        return names

    return loaded


@pytest.mark.parametrize(
    ("package", "frameworks"),
    [("indian_core", set()), ("indian_torch", {"torch"}), ("indian_jax", {"jax", "optax"})],
)
def test_import_loads_only_its_own_framework(
    modules_loaded_by: ModulesLoadedBy, package: str, frameworks: set[str]
) -> None:
    assert modules_loaded_by(package) & FRAMEWORKS == frameworks


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_import_of_the_keras_adapter_loads_nothing_but_keras_and_the_core(
    modules_loaded_by: ModulesLoadedBy, backend: str
) -> None:
    # Keras comes first, since what it loads depends on its backend and on what is installed.
    loaded = modules_loaded_by("indian_tf", first="keras", KERAS_BACKEND=backend)
    assert {name for name in loaded if name not in ("indian_tf", "indian_core")} <= {"keras"}


def test_on_its_pytorch_backend_the_keras_adapter_loads_the_pytorch_adapter_and_no_other_framework(
    modules_loaded_by: ModulesLoadedBy,
) -> None:
    loaded = modules_loaded_by("indian_tf", first="keras", KERAS_BACKEND="torch")
    assert "indian_torch" in loaded
    assert not loaded & {"indian_jax", "jax", "optax", "tensorflow"}


def test_core_loads_no_third_party_package_but_numpy(modules_loaded_by: ModulesLoadedBy) -> None:
    assert modules_loaded_by("indian_core") - sys.stdlib_module_names <= {"indian_core", "numpy"}
