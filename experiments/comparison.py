"""One protocol for comparing optimizers: a random search of the same size for each, then runs on fresh seeds."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import curves, training
from experiments.data import DataError
from experiments.runs import RunError, code_version, execute, versions
from experiments.trainers import LIBRARIES, MODULES
from experiments.tuning import final, random_trials

__all__ = ["Comparison", "Protocol", "compare", "explained", "report"]

SEARCH_SEED = 0
"""Of the weights and batches in all trials; the final runs have the seeds 1, 2 and so on."""


class Protocol(NamedTuple):
    """All that determines a comparison.

    Attributes:
        data: What `experiments.data` described.
        network: See `experiments.trainers.trainer`.
        framework: "torch", "keras" or "jax".
        optimizers: Names in `experiments.tuning.SPACES`.
        batch_size: Examples a step.
        schedule: See `experiments.training.factor`.
        trials: Of the random search, for each optimizer.
        search_steps: Of a trial.
        steps: Of a final run.
        seeds: Number of final runs of each optimizer.
        evaluations: How often a final run is evaluated.
        evaluate: On how many examples of each part.
        choose_by: The quantity that is smallest for the chosen trial.
    """

    data: Mapping[str, Any]
    network: Mapping[str, Any]
    framework: str
    optimizers: tuple[str, ...]
    batch_size: int
    schedule: Mapping[str, Any]
    trials: int
    search_steps: int
    steps: int
    seeds: int
    evaluations: int
    evaluate: Mapping[str, int]
    choose_by: str = "validation_loss"

    def run(self, optimizer: str, hyperparameters: Mapping[str, float], seed: int, *, search: bool) -> dict[str, Any]:
        """The configuration of a run."""
        steps = self.search_steps if search else self.steps
        parts = {part: n for part, n in self.evaluate.items() if not (search and part == "test")}
        return {
            "data": dict(self.data),
            "network": dict(self.network),
            "framework": self.framework,
            "optimizer": optimizer,
            "hyperparameters": dict(hyperparameters),
            "schedule": dict(self.schedule),
            "batch_size": self.batch_size,
            "steps": steps,
            "seed": seed,
            "evaluate": {"every": max(1, steps if search else steps // self.evaluations), **parts},
        }


class Comparison(NamedTuple):
    """The trials and their results, what was chosen, and the final runs, each by optimizer."""

    trials: dict[str, list[tuple[dict[str, float], Mapping[str, Any]]]]
    chosen: dict[str, dict[str, float]]
    runs: dict[str, list[Mapping[str, Any]]]


def compare(protocol: Protocol, source: Path | None, folder: Path, workers: int | None) -> Comparison:
    """Search for hyperparameters, and train with the best.

    Args:
        protocol: What to compare.
        source: What the user named with ``--data``.
        folder: Where runs are stored.
        workers: Processes.

    Raises:
        RunError: A run failed.
    """
    candidates = {name: random_trials(name, protocol.trials) for name in protocol.optimizers}
    tried = _execute(
        [protocol.run(name, h, SEARCH_SEED, search=True) for name, trials in candidates.items() for h in trials],
        *(source, folder, workers, "search"),
    )
    trials = {name: [(h, next(tried)) for h in candidates[name]] for name in candidates}
    chosen = {
        name: min(of_name, key=lambda trial: final(trial[1], protocol.choose_by))[0] for name, of_name in trials.items()
    }
    seeds = range(SEARCH_SEED + 1, SEARCH_SEED + 1 + protocol.seeds)
    ended = _execute(
        [protocol.run(name, h, seed, search=False) for name, h in chosen.items() for seed in seeds],
        *(source, folder, workers, "final runs"),
    )
    return Comparison(trials, chosen, {name: [next(ended) for _ in seeds] for name in chosen})


def _execute(configurations: Sequence[dict[str, Any]], source: Path | None, folder: Path, workers: int | None, title):
    jobs = [training.job(configuration) for configuration in configurations]
    return iter(execute(jobs, folder / "runs", workers, title, {"source": source}))


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


def report(comparison: Comparison, protocol: Protocol, folder: Path, *, reference: str, accuracy: bool) -> str:
    """Write ``runs.csv``, ``curves.csv``, ``configuration.json`` and ``table.md``, and return the table.

    Args:
        comparison: What was computed.
        protocol: How.
        folder: For the files.
        reference: The optimizer whose final validation loss the others are to reach.
        accuracy: Whether the test accuracy is of interest.
    """
    curves.write_csv(folder / "runs.csv", _run_rows(comparison, protocol))
    curves.write_csv(folder / "curves.csv", _curve_rows(comparison))
    curves.write_json(folder / "configuration.json", configuration(protocol, comparison.chosen))
    text = table(comparison, reference, accuracy)
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    return text


def configuration(protocol: Protocol, chosen: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """All that determines the results."""
    return {
        **protocol._asdict(),
        "trials_of": {name: random_trials(name, protocol.trials) for name in protocol.optimizers},
        "search_seed": SEARCH_SEED,
        "seeds_of_final_runs": list(range(SEARCH_SEED + 1, SEARCH_SEED + 1 + protocol.seeds)),
        "chosen": dict(chosen),
        "code": code_version(["experiments.training", MODULES[protocol.framework]]),
        "versions": versions(["numpy", *LIBRARIES[protocol.framework], "indian"]),
        "threads": 1,
    }


def target(comparison: Comparison, reference: str) -> float:
    """The mean final validation loss of an optimizer."""
    return float(curves.band(comparison.runs[reference], "step", "validation_loss").mean[-1])


def table(comparison: Comparison, reference: str, accuracy: bool) -> str:
    """The final runs of every optimizer, the best first."""
    goal = target(comparison, reference)
    header = ["optimizer", "chosen", "training loss", "validation loss", "test loss"]
    header += ["test accuracy, %"] if accuracy else []
    header += ["steps", "CPU seconds", "ms a step", "trials that diverged"]
    rows = []
    for name, results in sorted(comparison.runs.items(), key=lambda item: _mean_final(item[1])):
        steps, seconds = (
            curves.first_below(curves.band(results, x, "validation_loss"), goal) for x in ("step", "cpu_seconds")
        )
        times = [1000 * result["cpu_seconds"][-1] / result["step"][-1] for result in results if result["step"][-1]]
        trials = comparison.trials[name]
        losses = ("training_loss", "validation_loss", "test_loss")
        rows.append(
            [
                name,
                ", ".join(f"{key} {value:g}" for key, value in comparison.chosen[name].items()),
                *(curves.spread([_last(result, loss) for result in results], 3) for loss in losses),
                *([curves.spread([100 * r["test_accuracy"][-1] for r in results], 1)] if accuracy else []),
                "not reached" if steps is None else f"{steps:.0f}",
                "not reached" if seconds is None else f"{seconds:.0f}",
                f"{np.median(times):.0f}",
                f"{sum(result['diverged'] for _, result in trials)} of {len(trials)}",
            ]
        )
    note = (
        "Mean (lowest–highest) of the final runs. *Steps* and *CPU seconds* are those until the mean validation loss "
        f"is {goal:.4f}, {reference}'s at its end. CPU seconds are those of one thread, for the steps alone."
    )
    return f"{curves.markdown_table(header, rows)}\n\n{note}"


def _last(result: Mapping[str, Any], quantity: str) -> float:
    return math.inf if result["diverged"] else result[quantity][-1]


def _mean_final(results: Sequence[Mapping[str, Any]]) -> float:
    return float(np.mean([_last(result, "validation_loss") for result in results]))


def _run_rows(comparison: Comparison, protocol: Protocol) -> list[dict[str, Any]]:
    searched = [
        _row(name, "search", hyperparameters, SEARCH_SEED, result)
        for name, trials in comparison.trials.items()
        for hyperparameters, result in trials
    ]
    finals = [
        _row(name, "final", comparison.chosen[name], seed, result)
        for name, results in comparison.runs.items()
        for seed, result in enumerate(results, start=SEARCH_SEED + 1)
    ]
    return searched + finals


def _row(
    name: str, stage: str, hyperparameters: Mapping[str, float], seed: int, result: Mapping[str, Any]
) -> dict[str, Any]:
    ends = {key: values[-1] for key, values in result.items() if key != "diverged"}
    given = " ".join(f"{key}={value:g}" for key, value in hyperparameters.items())
    row = {"optimizer": name, "stage": stage, "hyperparameters": given, "seed": seed, "diverged": result["diverged"]}
    return row | {key: float(f"{value:.5g}") for key, value in ends.items()}


def _curve_rows(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {"optimizer": name, "seed": seed, **{key: float(f"{value:.5g}") for key, value in point.items()}}
        for name, results in comparison.runs.items()
        for seed, result in enumerate(results, start=SEARCH_SEED + 1)
        for point in _points(result)
    ]


def _points(result: Mapping[str, Any]) -> list[dict[str, float]]:
    quantities = [key for key in result if key != "diverged"]
    return [dict(zip(quantities, values, strict=True)) for values in zip(*(result[q] for q in quantities), strict=True)]
