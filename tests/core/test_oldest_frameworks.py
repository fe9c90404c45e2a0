"""A framework that is too old: what an import of an adapter says."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from indian_core._frameworks import FRAMEWORKS, refuse_old

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def module() -> Callable[[str, str], ModuleType]:
    """A module of a name and a version."""

    def make(name: str, version: str) -> ModuleType:
        made = ModuleType(name)
        made.__version__ = version  # type: ignore[attr-defined]
        return made

    return make


@pytest.mark.parametrize("version", ["0.4.37", "0.4", "0.3.100", "0.4.37.dev20250101"])
def test_an_older_release_is_refused(module: Callable[..., ModuleType], version: str) -> None:
    with pytest.raises(ImportError) as failure:
        refuse_old("indian_jax", "jax", module("jax", version), module("optax", "0.2.4"))
    assert str(failure.value) == (
        f"indian_jax needs JAX 0.4.38 or newer, found {version}; update it with: pip install --upgrade 'indian[jax]'"
    )


@pytest.mark.parametrize("version", ["0.4.38", "0.4.38.dev20250101", "0.4.100", "0.10.2+local", "1.0", "nightly"])
def test_other_releases_are_not_refused(module: Callable[..., ModuleType], version: str) -> None:
    refuse_old("indian_jax", "jax", module("jax", version))


def test_every_framework_is_looked_at(module: Callable[..., ModuleType]) -> None:
    with pytest.raises(ImportError, match="needs Optax"):
        refuse_old("indian_jax", "jax", module("jax", "0.10"), module("optax", "0.2.3"))


@pytest.mark.parametrize(
    ("package", "name"),
    [("indian_torch", "torch"), ("indian_tf", "keras"), ("indian_jax", "jax"), ("indian_jax", "optax")],
)
def test_an_adapter_refuses_an_old_release_before_it_uses_it(tmp_path: Path, package: str, name: str) -> None:
    # An old release that has nothing but its version.
    for each in FRAMEWORKS:
        version = "0.1" if each == name else "99"
        (tmp_path / f"{each}.py").write_text(f"__version__ = {version!r}\n")
    program = f"import sys\nsys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\nimport {package}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    title, oldest = FRAMEWORKS[name]
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {package} needs {title} {oldest} or newer, found 0.1; update it with: pip ")


@pytest.mark.parametrize("name", ["tensorflow", "jax", "torch"])
def test_keras_adapter_refuses_an_old_backend(tmp_path: Path, name: str) -> None:
    for each in FRAMEWORKS:
        (tmp_path / f"{each}.py").write_text(f"__version__ = {'0.1' if each == name else '99'!r}\n")
    with (tmp_path / "keras.py").open("a") as keras:
        keras.write(f"class backend:\n    backend = staticmethod(lambda: {name!r})\n")
    program = f"import sys\nsys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\nimport indian_tf"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    title, oldest = FRAMEWORKS[name]
    assert done.stderr.splitlines()[-1] == (
        f"ImportError: indian_tf needs {title} {oldest} or newer, found 0.1; "
        f"update it with: pip install --upgrade 'indian[{name}]'"
    )
