"""Lists the experiments, or runs one: ``python -m experiments [NAME [arguments]]``.

``python -m experiments redraw NAME [FOLDER]`` draws the figures of an experiment from the files that it wrote.
"""

import ast
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import experiments

FOLDERS: Final = ("papers", "studies", "pictures")
"""The packages whose modules are experiments. The demo is an experiment by itself."""


def main(arguments: Sequence[str]) -> None:
    """Run the experiment that the first argument names, with the others; list all experiments if there is none."""
    summaries = experiment_summaries()
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(map(len, summaries))
        print(
            "usage: python -m experiments NAME [arguments]; the arguments of one: python -m experiments NAME --help\n"
            "Figures from files that an experiment wrote: python -m experiments redraw NAME [FOLDER]\n"
        )
        print("\n".join(f"  {name:{width}}  {summary}" for name, summary in summaries.items()))
        return
    name, *rest = arguments
    run = _redraw if name == "redraw" else _run
    if run is _redraw:
        name, *rest = rest or [""]
    if name not in summaries:
        sys.exit(f"python -m experiments: there is no experiment {name!r}; the experiments are: {', '.join(summaries)}")
    try:
        run(name, rest)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "experiments":
            raise
        sys.exit(
            f"The experiment {name} needs the module {error.name}, which is not installed. In the root of the "
            "repository, this installs what the experiments need: pip install -e '.[all]' --group experiments"
        )


def _run(name: str, arguments: Sequence[str]) -> None:
    importlib.import_module(experiment_modules()[name]).main(arguments)


def _redraw(name: str, arguments: Sequence[str]) -> None:
    module = importlib.import_module(experiment_modules()[name])
    if not hasattr(module, "redraw"):
        sys.exit(f"python -m experiments: {name} cannot redraw: run it, which takes minutes at most")
    if len(arguments) > 1:
        sys.exit(f"python -m experiments: redraw takes a name and a folder, got {' '.join(arguments)} after {name}")
    folder = Path(arguments[0]) if arguments else Path("results", name)
    try:
        module.redraw(folder)
    except FileNotFoundError as error:
        sys.exit(f"python -m experiments: {name} has not written {error.filename}")
    print(f"Written to {folder}")


def experiment_modules() -> dict[str, str]:
    """The module of every experiment by the experiment's name, in alphabetical order. None is imported.

    An experiment is a module or package with a ``main`` in one of `FOLDERS`, or the demo.

    Example:
        >>> experiment_modules()["oscillator"]
        'experiments.pictures.oscillator'
    """
    names = ["experiments.demo"]
    for folder in FOLDERS:
        path = Path(experiments.__path__[0], folder)
        names += [f"experiments.{folder}.{module.name}" for module in pkgutil.iter_modules([str(path)])]
    modules = {name.rpartition(".")[2]: name for name in names if "main" in _names(_tree(name))}
    return dict(sorted(modules.items()))


def experiment_summaries() -> dict[str, str]:
    """The first line of the docstring of every experiment by its name, in alphabetical order. None is imported."""
    return {
        name: (ast.get_docstring(_tree(module)) or "").partition("\n")[0]
        for name, module in experiment_modules().items()
    }


def _tree(module: str) -> ast.Module:
    path = Path(experiments.__path__[0], *module.split(".")[1:])
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(source.read_text(encoding="utf-8"))


def _names(tree: ast.Module) -> set[str]:
    """The functions that a module defines, and the names that it imports from others."""
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


if __name__ == "__main__":
    main(sys.argv[1:])
