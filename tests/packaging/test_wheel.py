"""The built wheel: what is in it, and that it works in an empty environment. Needs pip to reach a package index."""

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("wheel")

RunInEnvironment = Callable[..., subprocess.CompletedProcess[str]]
RunTool = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"indian_core", "indian_jax", "indian_tf", "indian_torch"}

JAX_STEP = """
import indian_core, jax.numpy as jnp, optax
from indian_jax import indian

transformation = indian(learning_rate=0.1, alpha=0.5, beta=0.1)
parameters = jnp.array([1.0, -2.0])
state = transformation.init(parameters)
updates, state = transformation.update(parameters, state, parameters)
print(*optax.apply_updates(parameters, updates).tolist())
"""


@pytest.fixture(scope="module")
def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_the_four_packages_and_nothing_else(wheel_files: set[str]) -> None:
    top_level = {name.split("/")[0] for name in wheel_files}
    assert {name for name in top_level if not name.endswith(".dist-info")} == PACKAGES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_wheel_marks_each_package_as_typed(wheel_files: set[str], package: str) -> None:
    assert f"{package}/py.typed" in wheel_files


def test_wheel_carries_the_licence(wheel_files: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_files)


def test_wheel_is_fit_for_an_index(wheel: Path, run_tool: RunTool) -> None:
    configured = ("check_wheel_contents", "--config", str(ROOT / "pyproject.toml"))
    for command in (("twine", "check", "--strict"), configured):
        done = run_tool(*command, str(wheel))
        assert done.returncode == 0, done.stdout + done.stderr


def test_type_checker_of_a_user_finds_the_types(
    run_in_wheel_environment: RunInEnvironment, run_tool: RunTool, tmp_path: Path
) -> None:
    """The checker is Pyright as a wheel; in its strict mode, it refuses a package that is not marked as typed."""
    executable = run_in_wheel_environment("[jax]", "import sys; print(sys.executable)").stdout.strip()
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    program = tmp_path / "program.py"
    program.write_text(
        "import indian_core\nfrom indian_jax import indian\n"
        "reveal_type(indian_core.DEFAULTS.beta)\nreveal_type(indian)\n"
    )
    done = run_tool("basedpyright", "--pythonpath", executable, str(program), cwd=tmp_path)
    assert "0 errors" in done.stdout, done.stdout + done.stderr
    assert 'Type of "indian_core.DEFAULTS.beta" is "float"' in done.stdout
    assert "learning_rate: " in done.stdout


def test_wheel_without_extras_has_the_core_and_needs_numpy_alone(run_in_wheel_environment: RunInEnvironment) -> None:
    program = (
        "import indian_core, importlib.metadata as metadata\n"
        "print(*sorted(d.name for d in metadata.distributions()), indian_core.DEFAULTS.beta > 0)"
    )
    done = run_in_wheel_environment("", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["indian", "numpy", "True"]


def test_wheel_with_one_extra_takes_a_step(run_in_wheel_environment: RunInEnvironment) -> None:
    done = run_in_wheel_environment("[jax]", JAX_STEP)
    assert done.returncode == 0, done.stderr
    # The first step from rest at speed −g is −γ s g, and here g = θ, s = 1.
    assert [float(number) for number in done.stdout.split()] == pytest.approx([0.9, -1.8], rel=1e-6)


def test_jax_adapter_works_with_the_oldest_releases_that_it_declares(
    run_in_wheel_environment: RunInEnvironment, project: dict[str, Any]
) -> None:
    oldest = [requirement.replace(">=", "==") for requirement in project["optional-dependencies"]["jax"]]
    done = run_in_wheel_environment("[jax]", JAX_STEP, *oldest)
    assert done.returncode == 0, done.stderr
    assert [float(number) for number in done.stdout.split()] == pytest.approx([0.9, -1.8], rel=1e-6)


@pytest.mark.parametrize(
    ("extras", "package", "extra_to_install"),
    [
        ("[jax]", "indian_torch", "indian[torch]"),
        ("[jax]", "indian_tf", "indian[tensorflow]"),
        ("", "indian_torch", "indian[torch]"),
        ("", "indian_tf", "indian[tensorflow]"),
        ("", "indian_jax", "indian[jax]"),
    ],
)
def test_adapter_without_its_framework_names_the_extra_to_install(
    run_in_wheel_environment: RunInEnvironment, extras: str, package: str, extra_to_install: str
) -> None:
    program = (
        f"try:\n    import {package}\nexcept ImportError as error:\n    print(type(error).__name__, error)\n"
        "else:\n    raise SystemExit('it was imported')"
    )
    done = run_in_wheel_environment(extras, program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ImportError ")
    assert f"pip install '{extra_to_install}'" in done.stdout
