"""A pytest plugin: the table of measured differences, at the end of a run that takes all tests and measured any.

With the environment variable PARITY_TABLE set to a file name, the table is also written there.
"""

import os
import platform
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.scopes import scope_of

_PACKAGES = ("numpy", "torch", "tensorflow", "keras", "jax", "optax")

Differences = dict[tuple[str, str], dict[str, float]]
"""The largest difference by kind of comparison and implementation, then by problem."""


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    differences = _collect(terminalreporter.stats)
    if scope_of(config) != "all" or not differences:
        return
    table = _markdown(differences)
    terminalreporter.section("measured differences")
    terminalreporter.write_line(table)
    if file_name := os.environ.get("PARITY_TABLE"):
        Path(file_name).write_text(f"{table}\n\n{_provenance()}\n")


def _collect(stats: dict[str, list[Any]]) -> Differences:
    differences: Differences = defaultdict(dict)
    reports = [report for outcome in ("passed", "failed") for report in stats.get(outcome, [])]
    for report in reports:
        if not isinstance(report, pytest.TestReport) or report.when != "call":
            continue
        for name, value in report.user_properties:
            if name == "parity":
                kind, implementation, problem, difference = value
                row = differences[kind, implementation]
                row[problem] = max(difference, row.get(problem, 0.0))
    return differences


def _markdown(differences: Differences) -> str:
    blocks = []
    for kind in sorted({kind for kind, _ in differences}):
        rows = {implementation: row for (of, implementation), row in differences.items() if of == kind}
        problems = sorted({problem for row in rows.values() for problem in row})
        lines = [f"**{kind}**", "", "| | " + " | ".join(problems) + " |", "|---" * (len(problems) + 1) + "|"]
        for implementation in sorted(rows):
            cells = (f"{rows[implementation][p]:.1e}" if p in rows[implementation] else "" for p in problems)
            lines.append(f"| {implementation} | " + " | ".join(cells) + " |")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _provenance() -> str:
    packages = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return f"Measured on {platform.machine()} ({platform.system()}), Python {platform.python_version()}, {packages}."
