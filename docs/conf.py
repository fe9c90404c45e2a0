"""Sphinx configuration: Markdown pages with mathematics, and an API reference from the docstrings."""

import csv
import os
import re
from collections import defaultdict
from importlib.metadata import version as installed_version
from pathlib import Path
from statistics import fmean

# autodoc imports the four packages, and with them TensorFlow, which else fills the log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from indian_core import DEFAULTS, INNAPROP_DEFAULTS
from indian_core.norms import NORMS

project = "INDIAN"
author = "The INDIAN developers"
copyright = "The INDIAN developers"
version = release = installed_version("indian")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_build", "parity_table.md", "results"]


def _damping_results() -> dict[str, str]:
    """Mean validation losses of the study of the damping, by task and entry: ``gpt_adamw``, ``gpt_dampedadamw_r_1_9``.

    And what an entry gains over the base of its task, with the suffix ``_gain``.
    """
    found = {}
    for path in (Path(__file__).parent / "results" / "damping").glob("*/runs.csv"):
        losses = defaultdict(list)
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                losses[row["entry"]].append(float(row["validation_loss"] or "inf"))
        base = fmean(losses["AdamW" if "AdamW" in losses else "SGD"])
        for entry, values in losses.items():
            name = f"{path.parent.name}_{re.sub(r'[^a-z0-9]+', '_', entry.lower()).strip('_')}"
            found[name] = f"{fmean(values):.3f}"
            found[f"{name}_gain"] = f"{base - fmean(values):.3f}"
    return found


myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "substitution"]
myst_heading_anchors = 3
# A page that names a default takes it from the code.
myst_substitutions = {
    f"{prefix}_{name}": f"{value:g}"
    for prefix, defaults in (("default", DEFAULTS), ("innaprop", INNAPROP_DEFAULTS))
    for name, value in defaults._asdict().items()
    if isinstance(value, float)
}
myst_substitutions |= {f"{name}_learning_rate": f"{norm.learning_rate:g}" for name, norm in NORMS.items()}
myst_substitutions |= _damping_results()

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "py:obj"

# The build works without a network, so names of other projects have nothing to link to.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:.*", r"(torch|keras|jax|jnp|optax|np|npt|numpy|typing|collections)(\..*)?"),
    (r"py:.*", r"(ArrayTree|LambdaLR|Optimizer|ParamsT|Tensor|exclude_from_weight_decay)"),
    (r"py:exc", r"(Type|Value|Key|Runtime|Import)Error"),
    (r"py:class", r"(Any|Callable|bool|dict|float|int|list|object|str|tuple)"),
]

html_theme = "furo"
html_title = f"INDIAN {release}"

_CODE_OR_SYMBOL = re.compile(r"(?P<code>``.*?``|`.*?`)|(?P<symbol>\||(?<=[\s(])\*(?=\w[^*]*$))")


def _escape_prose(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let |x| be an absolute value and *x an unpacked tuple, where Sphinx would see its own markup."""
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = _CODE_OR_SYMBOL.sub(lambda match: match["code"] or "\\" + match["symbol"], line)


def _skip_field(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave the fields of a named tuple to the list of attributes in its docstring."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _resolve_within_package(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, text: nodes.Element
) -> nodes.Node | None:
    """Link a name to what the same package documents under it, in whichever of its modules, the nearest one first."""
    scope, _, name = str(node.get("reftarget", "")).rpartition(".")
    scope = scope or str(node.get("py:module", ""))
    package = f"{scope.partition('.')[0]}."
    objects = env.get_domain("py").objects
    found = [known for known in objects if known.startswith(package) and known.endswith(f".{name}")]
    if node.get("refdomain") != "py" or not package.startswith("indian_") or not found:
        return None
    nearest = max(found, key=lambda known: sum(map(str.__eq__, scope.split("."), known.split("."))))
    entry = objects[nearest]
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, text, nearest)


def setup(app: Sphinx) -> None:
    """Connect the hooks; docstrings are escaped before napoleon, of priority 500, reads them."""
    app.connect("missing-reference", _resolve_within_package)
    app.connect("autodoc-process-docstring", _escape_prose, priority=400)
    app.connect("autodoc-skip-member", _skip_field)
