"""One protocol for comparing optimizers: a search of the same size for each, then runs on fresh seeds."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.lib import curves, training
from experiments.lib.data import DataError
from experiments.lib.runs import RunError, code_version, execute, versions
from experiments.lib.trainers import LIBRARIES, MODULES
from experiments.lib.tuning import final

__all__ = [
    "Comparison",
    "Contestant",
    "Entry",
    "Goal",
    "Protocol",
    "best",
    "compare",
    "curve_rows",
    "described",
    "explained",
    "final_runs",
    "run_rows",
    "save",
    "saved_runs",
    "table",
]

SEARCH_SEED = 0
"""Of the weights and batches in all trials; the final runs have the seeds 1, 2 and so on."""


class Contestant(NamedTuple):
    """One optimizer as it takes part in a comparison.

    Attributes:
        label: In figures and tables.
        optimizer: A name in `experiments.lib.optimizers`.
        trials: Hyperparameters among which it chooses.
        schedule: See `experiments.lib.training.factor`.
    """

    label: str
    optimizer: str
    trials: Sequence[Mapping[str, float]]
    schedule: Mapping[str, Any]


class Protocol(NamedTuple):
    """All that determines a comparison.

    Attributes:
        data: What `experiments.lib.data` described.
        network: See `experiments.lib.trainers.trainer`.
        framework: "torch", "keras" or "jax".
        contestants: Which optimizers; all have the same number of trials.
        batch_size: Examples a step.
        search_steps: Of a trial.
        steps: Of a final run.
        seeds: Number of final runs of each contestant.
        evaluations: How often a final run is evaluated.
        evaluate: On how many examples of each part.
        choose_by: The quantity that is smallest at the end of the chosen trial.
    """

    data: Mapping[str, Any]
    network: Mapping[str, Any]
    framework: str
    contestants: Sequence[Contestant]
    batch_size: int
    search_steps: int
    steps: int
    seeds: int
    evaluations: int
    evaluate: Mapping[str, int]
    choose_by: str = "validation_loss"

    def run(
        self, contestant: Contestant, hyperparameters: Mapping[str, float], seed: int, *, search: bool
    ) -> dict[str, Any]:
        """The configuration of a run."""
        steps = self.search_steps if search else self.steps
        parts = {part: n for part, n in self.evaluate.items() if not (search and part == "test")}
        return {
            "data": dict(self.data),
            "network": dict(self.network),
            "framework": self.framework,
            "optimizer": contestant.optimizer,
            "hyperparameters": dict(hyperparameters),
            "schedule": dict(contestant.schedule),
            "batch_size": self.batch_size,
            "steps": steps,
            "seed": seed,
            "evaluate": {"every": max(1, steps if search else steps // self.evaluations), **parts},
        }

    def final_seeds(self) -> range:
        """Of the weights and batches in the final runs."""
        return range(SEARCH_SEED + 1, SEARCH_SEED + 1 + self.seeds)

    def configuration(self) -> dict[str, Any]:
        """All that determines the results, for a reader."""
        return {
            **self._asdict(),
            "contestants": [contestant._asdict() for contestant in self.contestants],
            "seed_of_trials": SEARCH_SEED,
            "seeds_of_final_runs": list(self.final_seeds()),
            "code": code_version(["experiments.lib.training", MODULES[self.framework]]),
            "versions": versions(["numpy", *LIBRARIES[self.framework], "indian"]),
            "threads": 1,
        }


class Entry(NamedTuple):
    """What became of a contestant: the results of its trials, the one chosen, and the final runs."""

    contestant: Contestant
    trials: list[Mapping[str, Any]]
    chosen: Mapping[str, float]
    runs: list[Mapping[str, Any]]


Comparison = dict[str, Entry]
"""By label."""


def compare(protocol: Protocol, source: Path | None, folder: Path, workers: int | None, title: str = "") -> Comparison:
    """Search for hyperparameters, and train with the best.

    Args:
        protocol: What to compare.
        source: What the user named with ``--data``.
        folder: Where runs are stored.
        workers: Processes.
        title: Of the progress bars.

    Raises:
        RunError: A run failed.
        ValueError: The contestants have different numbers of trials.
    """
    if len({len(contestant.trials) for contestant in protocol.contestants}) > 1:
        raise ValueError("every optimizer must have the same number of trials")
    tried = _execute(
        [protocol.run(c, trial, SEARCH_SEED, search=True) for c in protocol.contestants for trial in c.trials],
        *(source, folder, workers, f"{title} search"),
    )
    trials = {c.label: [next(tried) for _ in c.trials] for c in protocol.contestants}
    chosen = {c.label: best(c.trials, trials[c.label], protocol.choose_by) for c in protocol.contestants}
    # Seed by seed, so that a comparison that is interrupted has something of every contestant.
    ended = _execute(
        [
            protocol.run(contestant, chosen[contestant.label], seed, search=False)
            for seed in protocol.final_seeds()
            for contestant in protocol.contestants
        ],
        *(source, folder, workers, f"{title} final runs"),
    )
    runs: dict[str, list[Mapping[str, Any]]] = {contestant.label: [] for contestant in protocol.contestants}
    for _ in protocol.final_seeds():
        for contestant in protocol.contestants:
            runs[contestant.label].append(next(ended))
    return {c.label: Entry(c, trials[c.label], chosen[c.label], runs[c.label]) for c in protocol.contestants}


def best(
    trials: Sequence[Mapping[str, float]], results: Sequence[Mapping[str, Any]], quantity: str
) -> Mapping[str, float]:
    """The trial whose run ended with the smallest value of a quantity; the first one if all diverged."""
    values = [final(result, quantity) for result in results]
    return trials[values.index(min(values))]


def _execute(
    configurations: Sequence[dict[str, Any]], source: Path | None, folder: Path, workers: int | None, title: str
) -> Iterator[Mapping[str, Any]]:
    jobs = [training.job(configuration) for configuration in configurations]
    return iter(execute(jobs, folder / "runs", workers, title.strip(), {"source": source}))


class explained:  # noqa: N801
    """A context that ends the program with the message of an error that the user can do something about."""

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        """Exit if the error explains itself."""
        if isinstance(error, DataError | RunError):
            sys.exit(str(error))
        if isinstance(error, KeyboardInterrupt):
            sys.exit("\nInterrupted. The runs that have ended are stored: the same command goes on from there.")


# --- Reporting --------------------------------------------------------------------------------------------------------


class Goal(NamedTuple):
    """What the others are to reach: a quantity of the final runs of one contestant, at their end."""

    label: str
    quantity: str

    def value(self, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> float:
        """Of the mean over the final runs, which are given by label."""
        return float(curves.band(runs[self.label], "step", self.quantity).mean[-1])

    def reached(self, runs: Sequence[Mapping[str, Any]], value: float, x: str) -> str:
        """Where the mean over some runs first is as good; ``x`` is "step" or "cpu_seconds"."""
        first = curves.first_above if "accuracy" in self.quantity else curves.first_below
        place = first(curves.band(runs, x, self.quantity), value)
        return "not reached" if place is None else f"{place:.0f}"


def table(comparison: Comparison, goal: Goal | None, *, accuracy: bool, sort_by: str) -> str:
    """The final runs of every contestant, the best first.

    Args:
        comparison: What was computed.
        goal: For the columns that say when it was reached; None for no such columns.
        accuracy: Whether the test accuracy is of interest.
        sort_by: A quantity.
    """
    evaluated = next(iter(comparison.values())).runs[0]
    losses = [f"{part}_loss" for part in ("training", "validation", "test") if f"{part}_loss" in evaluated]
    header = ["optimizer", "chosen", *(loss.replace("_", " ") for loss in losses)]
    header += ["test accuracy, %"] if accuracy else []
    header += [f"steps to {goal.label}'s end", f"CPU s to {goal.label}'s end"] if goal else []
    header += ["CPU ms a step", "trials that diverged"]
    value = goal.value(final_runs(comparison)) if goal else 0.0
    rows = []
    for label, entry in sorted(comparison.items(), key=lambda item: _mean_end(item[1].runs, sort_by)):
        times = [1000 * run["cpu_seconds"][-1] / max(1, run["step"][-1]) for run in entry.runs]
        rows.append(
            [
                label,
                described(entry),
                *(curves.spread([_end(run, loss) for run in entry.runs], 3) for loss in losses),
                *([curves.spread([100 * _end(run, "test_accuracy") for run in entry.runs], 1)] if accuracy else []),
                *([goal.reached(entry.runs, value, x) for x in ("step", "cpu_seconds")] if goal else []),
                f"{np.median(times):.0f}",
                f"{sum(result['diverged'] for result in entry.trials)} of {len(entry.trials)}",
            ]
        )
    note = "Mean (lowest–highest) of the final runs. CPU times are those of one thread, for the steps alone."
    if goal:
        quantity = goal.quantity.replace("_", " ")
        note += (
            f" *{goal.label}'s end*: the mean {quantity} is as good as {value:.4f}, {goal.label}'s after its last step."
        )
    return f"{curves.markdown_table(header, rows)}\n\n{note}"


def described(entry: Entry) -> str:
    """The hyperparameters that a contestant chose, and whether its learning rate is the smallest or largest tried."""
    rates = [trial["lr"] for trial in entry.contestant.trials]
    edge = {min(rates): " (the smallest tried)", max(rates): " (the largest tried)"}.get(entry.chosen["lr"], "")
    return ", ".join(f"{key} {value:g}{edge if key == 'lr' else ''}" for key, value in entry.chosen.items())


def save(
    folder: Path,
    configuration: Mapping[str, Any],
    text: str,
    runs: Sequence[Mapping[str, Any]],
    points: Sequence[Mapping[str, Any]],
) -> None:
    """Write ``configuration.json``, ``table.md``, ``runs.csv`` and ``curves.csv``."""
    curves.write_json(folder / "configuration.json", configuration)
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    curves.write_csv(folder / "runs.csv", runs)
    curves.write_csv(folder / "curves.csv", points)


def final_runs(comparison: Comparison) -> dict[str, list[Mapping[str, Any]]]:
    """Of every contestant, by label."""
    return {label: entry.runs for label, entry in comparison.items()}


def saved_runs(folder: Path, **columns: str) -> dict[str, list[Mapping[str, Any]]]:
    """The final runs by label, from the files that `save` wrote; numbers have the digits that they have there.

    Args:
        folder: Of the files.
        **columns: Those that were passed to `run_rows` and `curve_rows`: only rows with these values are read.
    """

    def rows(name: str) -> list[dict[str, str]]:
        return [row for row in curves.read_csv(folder / name) if columns.items() <= row.items()]

    ended = [row for row in rows("runs.csv") if row["stage"] == "final"]
    runs: dict[tuple[str, str], dict[str, Any]] = {
        (row["optimizer"], row["seed"]): {"diverged": row["diverged"] == "True"} for row in ended
    }
    for row in rows("curves.csv"):
        run = runs[row["optimizer"], row["seed"]]
        for quantity in row.keys() - {"optimizer", "seed", *columns}:
            if row[quantity]:
                run.setdefault(quantity, []).append(float(row[quantity]))
    found: dict[str, list[Mapping[str, Any]]] = {}
    for (label, _), run in runs.items():
        found.setdefault(label, []).append(run)
    return found


def run_rows(comparison: Comparison, **columns: str) -> list[dict[str, Any]]:
    """How every run ended, trials and final runs, for a CSV file; the columns stand before the others."""
    searched = [
        {**columns, **_row(label, "search", trial, SEARCH_SEED, result)}
        for label, entry in comparison.items()
        for trial, result in zip(entry.contestant.trials, entry.trials, strict=True)
    ]
    finals = [
        {**columns, **_row(label, "final", entry.chosen, seed, result)}
        for label, entry in comparison.items()
        for seed, result in enumerate(entry.runs, start=SEARCH_SEED + 1)
    ]
    return searched + finals


def curve_rows(comparison: Comparison, **columns: str) -> list[dict[str, Any]]:
    """All points of the curves of the final runs, for a CSV file."""
    return [
        {**columns, "optimizer": label, "seed": seed, **{key: float(f"{value:.5g}") for key, value in point.items()}}
        for label, entry in comparison.items()
        for seed, result in enumerate(entry.runs, start=SEARCH_SEED + 1)
        for point in _points(result)
    ]


def _end(result: Mapping[str, Any], quantity: str) -> float:
    """Infinite if the run diverged, whatever the quantity."""
    return math.inf if result["diverged"] else result[quantity][-1]


def _mean_end(results: Sequence[Mapping[str, Any]], quantity: str) -> float:
    return float(np.mean([_end(result, quantity) for result in results]))


def _row(
    label: str, stage: str, hyperparameters: Mapping[str, float], seed: int, result: Mapping[str, Any]
) -> dict[str, Any]:
    given = " ".join(f"{key}={value:g}" for key, value in hyperparameters.items())
    row = {"optimizer": label, "stage": stage, "hyperparameters": given, "seed": seed, "diverged": result["diverged"]}
    ends = {key: values[-1] for key, values in result.items() if key != "diverged"}
    return row | {key: float(f"{value:.5g}") for key, value in ends.items()}


def _points(result: Mapping[str, Any]) -> list[dict[str, float]]:
    quantities = [key for key in result if key != "diverged"]
    return [dict(zip(quantities, values, strict=True)) for values in zip(*(result[q] for q in quantities), strict=True)]
