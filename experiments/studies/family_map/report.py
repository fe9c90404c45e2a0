"""Search, train, and write the figure, the tables and the configuration."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import experiments.studies.family_map
from experiments.lib import comparison, curves
from experiments.lib.command_line import parser
from experiments.lib.comparison import Comparison
from experiments.studies.family_map import verdicts
from experiments.studies.family_map.common_settings import Setting, best_settings, contestants
from experiments.studies.family_map.figure import draw
from experiments.studies.family_map.outcomes import Outcome, TaskMap, read, saved
from experiments.studies.family_map.points import Point, place
from experiments.studies.family_map.tasks import SCALES, Map, map_at

__all__ = ["main", "redraw"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the map, and the settings that are good on both tasks beside the default."""
    shared = ["data", "seeds", "framework", "scale", "workers"]
    options = parser("family_map", experiments.studies.family_map.__doc__, shared).parse_args(arguments)
    scale, folder = SCALES[options.scale], options.output
    with comparison.explained():
        the_map = map_at(scale, options.data, options.seeds, options.framework)
        found = _compare(the_map, None, options)
        maps = {task: read(the_map, of_task) for task, of_task in found.items()}
        settings = best_settings(maps, the_map.points, scale.candidates)
        confirmed = _compare(the_map, settings, options)
    text = _text(maps, settings, confirmed)
    _save(folder, the_map, maps, text, found, confirmed)
    redraw(folder)
    print(f"{text}\n\nWritten to {folder}")


def redraw(folder: Path) -> None:
    """Draw the figure from the files in the folder."""
    tasks = json.loads((folder / "configuration.json").read_text(encoding="utf-8"))["tasks"]
    seeds = next(iter(tasks.values()))["seeds"]
    title = f"The family of INDIAN from rest, constant step, mean of {seeds} seeds"
    draw(folder / "family_map", title, saved(folder))


def _compare(the_map: Map, settings: list[Setting] | None, options: Any) -> dict[str, Comparison]:
    """All contestants of the map; or, if there are settings, those and the default."""
    found = {}
    for task, protocol in the_map.protocols.items():
        chosen = protocol if settings is None else protocol._replace(contestants=contestants(settings))
        title = task if settings is None else f"{task}, both"
        found[task] = comparison.compare(chosen, options.data, options.output, options.workers, title)
    return found


def _text(maps: Mapping[str, TaskMap], settings: Sequence[Setting], confirmed: Mapping[str, Comparison]) -> str:
    parts = [f"**Beyond Nesterov, and up to it**\n\n{verdicts.sides(maps)}"]
    for task, of_task in maps.items():
        parts.append(f"**{task}, for each momentum**\n\n{verdicts.by_row(of_task)}")
        parts.append(f"**{task}, for each β/γ**\n\n{verdicts.by_column(of_task)}")
    parts.append(f"**The papers' (α, β), the default's, and SGD**\n\n{verdicts.pairs(maps)}")
    parts.append(f"**One setting for both tasks**\n\n{verdicts.common(maps, settings, confirmed)}")
    parts.append(verdicts.edges(maps))
    return "\n\n".join(parts)


def _save(
    folder: Path,
    the_map: Map,
    maps: Mapping[str, TaskMap],
    text: str,
    found: Mapping[str, Comparison],
    confirmed: Mapping[str, Comparison],
) -> None:
    tasks = {}
    for task, protocol in the_map.protocols.items():
        tasks[task] = protocol.configuration()
        every = tasks[task].pop("contestants")
    used = next(iter(tasks.values()))["versions"]
    curves.write_json(folder / "configuration.json", {"versions": used, "tasks": tasks, "contestants": every})
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    rows = [row for task, of_task in found.items() for row in comparison.run_rows(of_task, task=task)]
    rows += [row for task, of_task in confirmed.items() for row in comparison.run_rows(of_task, task=task)]
    curves.write_csv(folder / "runs.csv", rows)
    curves.write_csv(folder / "map.csv", [row for task, of_task in maps.items() for row in _map_rows(task, of_task)])


def _map_rows(task: str, of_task: TaskMap) -> list[dict[str, Any]]:
    """Where every contestant is, what it chose, and how its final runs ended."""
    point, check = of_task.check
    rows = [_map_row(task, at, outcome) for at, outcome in of_task.points.items()]
    rows += [_map_row(task, place(outcome.chosen), outcome) for outcome in of_task.pairs.values()]
    rows.append(_map_row(task, point, check))
    return rows + [_map_row(task, Point(momentum, float("nan")), each) for momentum, each in of_task.adams.items()]


def _map_row(task: str, at: Point, outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task, "optimizer": outcome.label}
    row |= {"momentum": f"{at.momentum:.6g}", "ratio": "" if at.ratio != at.ratio else f"{at.ratio:.6g}"}
    row |= {"learning_rate": f"{outcome.chosen['lr']:.6g}", "edge_of_learning_rates": outcome.edge}
    row |= {"validation_loss_of_trial": f"{outcome.search_loss:.5g}", "diverged_runs": outcome.diverged()}
    for quantity in ("training_loss", "validation_loss", "test_loss", "test_accuracy"):
        ends = outcome.ends(quantity)
        row |= {quantity: f"{outcome.mean(quantity):.5g}"}
        row |= {f"{quantity}_lowest": f"{min(ends):.5g}", f"{quantity}_highest": f"{max(ends):.5g}"}
    return row
