"""Lists the experiments, or runs one: ``python -m experiments [NAME [arguments]]``."""

import ast
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import experiments


def main(arguments: Sequence[str]) -> None:
    """Run the experiment that the first argument names, with the others; list all experiments if there is none."""
    summaries = experiment_summaries()
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, summaries))
        print(
            "usage: python -m experiments NAME [arguments]; the arguments of one: python -m experiments NAME --help\n"
        )
        print("\n".join(f"  {name:{width}}  {summary}" for name, summary in summaries.items()))
        return
    name, *rest = arguments
    if name not in summaries:
        sys.exit(f"python -m experiments: there is no experiment {name!r}; the experiments are: {', '.join(summaries)}")
    try:
        importlib.import_module(f"experiments.{name}").main(rest)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "experiments":
            raise
        sys.exit(
            f"The experiment {name} needs the module {error.name}, which is not installed. In the root of the "
            "repository, this installs what the experiments need: pip install -e '.[all]' --group experiments"
        )


def experiment_summaries() -> dict[str, str]:
    """The first line of the docstring of every module here that has a ``main``, by name, without importing any."""
    summaries = {}
    for module in pkgutil.iter_modules(experiments.__path__):
        path = Path(experiments.__path__[0], module.name)
        path = path / "__init__.py" if module.ispkg else path.with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if module.name != "__main__" and "main" in _names(tree):
            summaries[module.name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return summaries


def _names(tree: ast.Module) -> set[str]:
    """The functions that a module defines, and the names that it imports from others."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


if __name__ == "__main__":
    main(sys.argv[1:])
