"""Runs the parts and writes what they find."""

from collections.abc import Sequence
from types import ModuleType
from typing import Final

import experiments.papers.theorems
from experiments.lib.command_line import parser
from experiments.lib.comparison import explained
from experiments.lib.curves import write_json
from experiments.lib.runs import code_version, execute, versions
from experiments.papers.theorems import (
    convergence_rate,
    critical_points,
    energy_of_steps,
    energy_rates,
    step_size_assumption,
)

__all__ = ["PARTS", "main"]

PARTS: Final[dict[str, ModuleType]] = {
    "energy_rates": energy_rates,
    "convergence_rate": convergence_rate,
    "energy_of_steps": energy_of_steps,
    "critical_points": critical_points,
    "step_size_assumption": step_size_assumption,
}
"""Each has ``jobs(scale)`` and ``report(results, folder)``, which writes a figure and a CSV and returns a table."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute all parts, and write figures, tables and the configuration."""
    options = parser("theorems", experiments.papers.theorems.__doc__, ["scale", "workers"])
    options.add_argument("--part", choices=PARTS, action="append", help="only this one; may be repeated")
    chosen = options.parse_args(arguments)
    folder = chosen.output
    parts = {name: PARTS[name] for name in chosen.part or PARTS}
    jobs = {name: part.jobs(chosen.scale) for name, part in parts.items()}
    with explained():
        results = {name: execute(jobs[name], folder / "runs", chosen.workers, name) for name in parts}
    for name, part in parts.items():
        text = part.report(results[name], folder)
        (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
        print(f"{text}\n")
    configuration = {
        "scale": chosen.scale,
        "jobs": {name: [job.configuration for job in of_part] for name, of_part in jobs.items()},
        "code": code_version([f"experiments.papers.theorems.{name}" for name in parts]),
        "versions": versions(["numpy", "scipy", "indian"]),
    }
    write_json(folder / "configuration.json", configuration)
