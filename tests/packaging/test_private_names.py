"""Which private names of the frameworks the package uses: each in the module `_compat` of its adapter, and no other.

A private name may change with any release. `_compat` holds it in one place, with what takes its place.
"""

import ast
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("indian_core", "indian_torch", "indian_tf", "indian_jax")
FRAMEWORKS = {"torch", "keras", "tensorflow", "jax", "jaxlib", "optax", "numpy"}
# Parts of paths that are private by their framework's word, without an underscore.
PRIVATE_PARTS = {"keras.src", "tensorflow.python", "jax.interpreters", "jax.lib", "jaxlib"}
# PyTorch documents these functions and gives them no other name.
DOCUMENTED = ("torch._foreach_",)
OF_NAMED_TUPLES = {"_asdict", "_fields", "_field_defaults", "_make", "_replace"}

OVERRIDDEN = {
    # `torch.amp.GradScaler` asks an optimizer for it, and leaves out the division of gradients if it is true.
    "indian_torch": {"_step_supports_amp_scaling"},
    # Keras calls the first for the update itself, the second before it.
    "indian_tf": {"_apply_weight_decay", "_backend_update_step"},
    "indian_jax": set(),
}
"""Methods and properties with a private name that a framework looks for on a class of the package."""

ATTRIBUTES_OF_OPTIMIZERS_AND_MODELS = """
import importlib, inspect, pkgutil, sys
import {package}

for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if "_step." not in module.name:  # The modules there belong to one backend each, and have no such classes.
        importlib.import_module(module.name)
classes = {{
    value
    for name, module in list(sys.modules.items())
    if name.partition(".")[0] == "{package}"
    for value in vars(module).values()
    if inspect.isclass(value) and value.__module__.partition(".")[0] == "{package}"
}}
for each in classes:
    of_others = [base for base in each.__mro__ if base.__module__.partition(".")[0] in {frameworks}]
    for name in vars(each):
        if name.startswith("_") and not name.startswith("__") and any(name in vars(base) for base in of_others):
            print("found", name)
"""


def is_private(word: str) -> bool:
    return word.startswith("_") and not (word.startswith("__") and word.endswith("__")) and word != "_"


def dotted(node: ast.expr) -> str | None:
    """The text of a chain of attributes of a name, such as ``torch.utils._foreach_utils``; None for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return None if start is None else f"{start}.{node.attr}"
    return None


def own_names(tree: ast.AST) -> set[str]:
    """The names that a module gives to functions, classes, variables and attributes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def private_names(source: str, own: set[str]) -> set[str]:
    """The private names of others in the code of a module.

    These are what it imports, what it takes from a module that it imports, any attribute with a private name that the
    package itself gives to nothing, and any string that such an attribute may be asked for with.

    Args:
        source: The code.
        own: The names that the package itself gives.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if is_private_path(alias.name)}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in full if is_private_path(name)}
        elif isinstance(node, ast.Attribute):
            path = dotted(node)
            if path is not None and is_private_path(path):
                found.add(path)
            elif is_private(node.attr) and node.attr not in own | OF_NAMED_TUPLES:
                found.add(node.attr)
        elif isinstance(node, ast.Call) and dotted(node.func) in ("getattr", "hasattr", "setattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(name.value) and name.value not in own:
                found.add(name.value)
    return {name for name in found if not name.startswith(DOCUMENTED)}


def is_private_path(path: str) -> bool:
    """Whether a dotted path leads to something private of a framework."""
    words = path.split(".")
    if words[0] not in FRAMEWORKS:
        return False
    return any(map(is_private, words)) or any(f"{path}.".startswith(f"{part}.") for part in PRIVATE_PARTS)


SOURCES = {path: path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


@pytest.mark.parametrize("package", PACKAGES)
def test_private_names_of_frameworks_are_in_the_module_compat_alone(package: str) -> None:
    sources = {
        path.relative_to(ROOT / package): text for path, text in SOURCES.items() if ROOT / package in path.parents
    }
    own = set().union(*(own_names(ast.parse(text)) for text in sources.values()))
    found = {str(path): private_names(text, own) for path, text in sources.items()}
    assert {path: names for path, names in found.items() if names and path != "_compat.py"} == {}


@pytest.mark.parametrize("adapter", ["indian_torch", "indian_tf"])
def test_the_module_compat_is_found_to_use_private_names(adapter: str) -> None:
    source = SOURCES[ROOT / adapter / "_compat.py"]
    assert private_names(source, own_names(ast.parse(source)))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from torch._utils import _flatten_dense_tensors", {"torch._utils._flatten_dense_tensors"}),
        ("import jax._src.core", {"jax._src.core"}),
        ("from keras.src.models import Functional", {"keras.src.models.Functional"}),
        ("torch._C._nn.linear(x)", {"torch._C._nn", "torch._C._nn.linear", "torch._C"}),
        ("torch._fused_sgd_(params)", {"torch._fused_sgd_"}),
        ("self._get_variable_index(variable)", {"_get_variable_index"}),
        ("getattr(tensor, '_keras_logits', tensor)", {"_keras_logits"}),
        ("torch._foreach_add_(params, grads)", set()),
        ("settings._replace(lr=1.0)", set()),
        ("self._own = _own_too()", set()),
        ("import optax as _optax", set()),
    ],
)
def test_a_private_name_is_found(line: str, found: set[str]) -> None:
    assert private_names(line, own_names(ast.parse(line))) == found


@pytest.mark.slow
@pytest.mark.parametrize("adapter", sorted(OVERRIDDEN))
def test_private_methods_that_a_framework_calls_are_known(
    adapter: str, run_here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    program = ATTRIBUTES_OF_OPTIMIZERS_AND_MODELS.format(package=adapter, frameworks=sorted(FRAMEWORKS))
    done = run_here(program, KERAS_BACKEND="tensorflow", PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    found = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("found ")}
    # The first is no name of a base class: PyTorch looks for it on the optimizer that it is given.
    assert found | (OVERRIDDEN[adapter] & {"_step_supports_amp_scaling"}) == OVERRIDDEN[adapter]
