"""Runs that are computed side by side, stored one by one as they end, and not computed twice.

A run is a function of its configuration. Its result is stored under a key that covers the whole configuration, the
source of the code that it depends on (comments and docstrings aside) and the versions of the libraries; what is stored
under the same key is taken from there. So an interrupted experiment goes on where it stopped, and a result is never
reused after something that determines it has changed.
"""

import ast
import hashlib
import importlib.util
import json
import multiprocessing
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from tqdm import tqdm

from experiments.lib.processes import end_pool_worker_with_parent

__all__ = ["Job", "RunError", "code_version", "configuration", "execute", "one_thread", "versions"]

_OURS: Final = ("experiments", "indian_core", "indian_torch", "indian_tf", "indian_jax")


class RunError(Exception):
    """A run failed; the message names it."""


class Job(NamedTuple):
    """One run to be computed.

    Attributes:
        function: ``"module:name"``. It is called with the configuration and the resources, and returns what JSON holds.
        configuration: All that determines the result, except the code; as JSON holds it.
        sources: Modules of this repository that the function imports while it runs, beyond those that the import
            statements at the top of its module say.
        libraries: Distributions whose version matters.
    """

    function: str
    configuration: Mapping[str, Any]
    sources: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ("numpy",)

    def key(self) -> str:
        """Under which its result is stored."""
        identity = {
            "function": self.function,
            "configuration": self.configuration,
            "code": code_version((self.function.partition(":")[0], *self.sources)),
            "versions": versions(self.libraries),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def execute(
    jobs: Sequence[Job], folder: Path, workers: int | None, title: str, resources: Mapping[str, Any] | None = None
) -> list[Any]:
    """Compute what is not stored yet, behind a progress bar.

    Args:
        jobs: Two with the same configuration are computed once.
        folder: For the results, one file each.
        workers: Processes; 1 computes in this process, None takes one for each core.
        title: Of the progress bar.
        resources: Passed to the functions, and without influence on results: where the data are, for instance.

    Returns:
        The results in the order of the jobs.

    Raises:
        RunError: A run failed. What has ended is stored.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = [job.key() for job in jobs]
    missing = {key: job for key, job in zip(keys, jobs, strict=True) if not _path(folder, key).exists()}
    arguments = [(job, _path(folder, key), dict(resources or {})) for key, job in missing.items()]
    workers = min(workers or os.cpu_count() or 1, max(1, len(missing)))
    # In a log every refresh is a line.
    interval = 0.1 if sys.stderr.isatty() else 20
    with tqdm(total=len(set(keys)), initial=len(set(keys)) - len(missing), desc=title, mininterval=interval) as bar:
        one_thread()
        for _ in _here(arguments) if workers == 1 else _in_processes(arguments, workers):
            bar.update()
    return [json.loads(_path(folder, key).read_text(encoding="utf-8"))["result"] for key in keys]


def _here(arguments: Iterable[tuple[Job, Path, dict[str, Any]]]) -> Iterator[None]:
    for each in arguments:
        _perform(*each)
        yield


def _in_processes(arguments: Sequence[tuple[Job, Path, dict[str, Any]]], workers: int) -> Iterator[None]:
    # Not forked: frameworks that have started their threads do not survive it.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=end_pool_worker_with_parent)
    try:
        futures: list[Future[None]] = [pool.submit(_perform, *each) for each in arguments]
        for future in as_completed(futures):
            yield future.result()
    except (KeyboardInterrupt, GeneratorExit):
        # Runs may take minutes; what they have not stored by now is lost.
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _perform(job: Job, path: Path, resources: Mapping[str, Any]) -> None:
    module, _, name = job.function.partition(":")
    try:
        result = getattr(import_module(module), name)(job.configuration, **resources)
    except Exception as error:
        described = json.dumps(job.configuration, ensure_ascii=False)
        raise RunError(f"{type(error).__name__}: {error}\nin {job.function} with {described}") from error
    text = json.dumps({"function": job.function, "configuration": job.configuration, "result": result}, indent=1)
    # Whole or not at all, whenever the process is stopped.
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def one_thread() -> None:
    """Have the frameworks compute with one thread and on the CPU, here and in child processes.

    Takes effect in a framework that has not been imported yet.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Of Python and of some distributions.

    Example:
        >>> list(versions(["numpy"]))
        ['python', 'numpy']
    """
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}


def configuration(settings: Mapping[str, Any], sources: Iterable[str], libraries: Iterable[str]) -> dict[str, Any]:
    """All that determines results, for a reader: settings, the code that used them, and its versions.

    Example:
        >>> list(configuration({"steps": 3}, ["indian_core"], ["numpy"]))
        ['steps', 'code', 'versions']
    """
    return {**settings, "code": code_version(sources), "versions": versions([*libraries, "indian"])}


def code_version(sources: Iterable[str]) -> str:
    """A hash of the code of some modules and packages of this repository, and of all of it that they import.

    Example:
        >>> code_version(["experiments.lib.runs"]) == code_version(["experiments.lib.runs", "experiments.lib.runs"])
        True
    """
    found: set[str] = set()
    waiting = list(sources)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_imports(name))
    code = "\n".join(f"{name} {_code(name)}" for name in sorted(found))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


@cache
def _imports(name: str) -> tuple[str, ...]:
    """The modules of this repository that a module imports, functions aside: those are for `Job.sources` to name."""
    names: set[str] = set()
    waiting: list[ast.AST] = [_tree(name)]
    while waiting:
        node = waiting.pop()
        waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.FunctionDef))
        match node:
            case ast.Import(names=aliases):
                names.update(alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), names=aliases):
                names.update((module, *(f"{module}.{alias.name}" for alias in aliases)))
    # When and in which process a run is computed does not determine its result.
    names.discard(__name__)
    ours = {imported for imported in names if imported.partition(".")[0] in _OURS and _file(imported)}
    return tuple(ours - {name})


@cache
def _code(name: str) -> str:
    """The code of a module without comments, docstrings and layout."""
    tree = _tree(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _tree(name: str) -> ast.Module:
    path = _file(name)
    if path is None:
        raise ValueError(f"there is no module {name} in this repository")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _file(name: str) -> Path | None:
    """Of a module; None if there is none of this name. Nothing is imported."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    stem = Path(spec.origin).parent.joinpath(*rest)
    candidates = (stem.with_suffix(".py"), stem / "__init__.py") if rest else (Path(spec.origin),)
    return next((path for path in candidates if path.is_file()), None)
