"""A pytest plugin: `--scope`, how many tests a run takes, and a list of the slow ones that lack the mark.

- ``fast`` leaves out the tests with the mark `slow` or `thorough` and those in `SLOW_PATHS`.
- ``usual`` leaves out those with the mark `thorough` alone.
- ``all`` takes all.

Of a test with many parameters, the first two take some sets, spread evenly over all: `CASES`. The parity suite takes
fewer steps in them.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

SLOW_PATHS = (
    # Whatever trains networks, starts processes, runs pages of the documentation, installs the package, or compiles
    # large programs.
    "tests/benchmarks",
    "tests/docs",
    "tests/experiments",
    "tests/jax/own_process",
    "tests/jax/test_compilation.py",
    "tests/jax/test_own_process.py",
    "tests/jax/test_random_use.py",
    "tests/jax/test_strict_modes.py",
    "tests/jax/test_trust_region.py",
    "tests/packaging/test_imports.py",
    "tests/packaging/test_wheel.py",
    "tests/tf/distribution",
    "tests/tf/test_interrupted_training.py",
    "tests/torch/distributed",
    "tests/torch/ecosystem",
)
"""Folders and files that a fast run leaves out."""

SCOPES = ("fast", "usual", "all")

CASES = {"fast": 3, "usual": 8}
"""So many sets of parameters of one test a run takes at most, by scope."""

LIMIT = 10.0
"""Tests that take more seconds of CPU time than this are listed at the end of a run; from 2 on, mark them."""

FRAMEWORKS = {"torch", "tensorflow", "keras", "jax"}
"""A test that is the first to import one of these is not measured."""

PROPERTY = "cpu seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--scope`."""
    parser.addoption("--scope", choices=SCOPES, default="all", help="how many tests to take; default: all")


def scope_of(config: pytest.Config) -> str:
    """One of `SCOPES`."""
    scope: str = config.getoption("scope")
    return scope


def pytest_configure(config: pytest.Config) -> None:
    """Check the list above."""
    if missing := [path for path in SLOW_PATHS if not (config.rootpath / path).exists()]:
        raise pytest.UsageError(f"SLOW_PATHS in {__file__} names what does not exist: {', '.join(missing)}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the slow ones."""
    return True if scope_of(config) == "fast" and _in_slow_path(collection_path, config) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what the scope leaves out."""
    scope = scope_of(config)
    if scope == "all":
        return
    left_out = ("slow", "thorough") if scope == "fast" else ("thorough",)
    sets: dict[str, list[pytest.Item]] = {}
    for item in items:
        if not any(item.get_closest_marker(mark) for mark in left_out):
            sets.setdefault(item.nodeid.partition("[")[0], []).append(item)
    chosen = {item for of_test in sets.values() for item in _spread(of_test, CASES[scope])}
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


def _spread(items: list[pytest.Item], number: int) -> list[pytest.Item]:
    """At most so many of these, the first and the last among them."""
    if len(items) <= number:
        return items
    return [items[round(k * (len(items) - 1) / (number - 1))] for k in range(number)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Measure the fixtures."""
    return (yield from _measured(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Measure the test."""
    return (yield from _measured(item))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the tests that need the mark."""
    if unmarked := _unmarked(terminalreporter):
        terminalreporter.section(f"tests of more than {LIMIT:g} s of CPU time without the mark `slow`")
        for seconds, name in sorted(unmarked, reverse=True):
            terminalreporter.write_line(f"{seconds:6.1f} s {name}")


def _measured(item: pytest.Item) -> Generator[None, Any, Any]:
    started, imported = _cpu_seconds(), FRAMEWORKS & sys.modules.keys()
    try:
        return (yield)
    finally:
        marked = (
            item.get_closest_marker("slow")
            or item.get_closest_marker("thorough")
            or _in_slow_path(item.path, item.config)
        )
        if not marked and imported == FRAMEWORKS & sys.modules.keys():
            item.user_properties.append((PROPERTY, _cpu_seconds() - started))


def _cpu_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


def _in_slow_path(path: Path, config: pytest.Config) -> bool:
    return any(path.is_relative_to(config.rootpath / slow) for slow in SLOW_PATHS)


def _unmarked(terminalreporter: Any) -> list[tuple[float, str]]:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ())]
    times = [
        (sum(value for name, value in report.user_properties if name == PROPERTY), report.nodeid)
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    return [(seconds, name) for seconds, name in times if seconds > LIMIT]
