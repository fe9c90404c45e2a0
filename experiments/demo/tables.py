"""The results of the demo as tables for the screen, and as CSV files."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from experiments.demo.distances import pairwise_distances
from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.training import Run

__all__ = ["Runs", "distance_table", "pair_title", "result_table", "write_csv"]

Runs = Mapping[str, Mapping[str, Run]]
"""Training runs, by optimizer and framework."""


def result_table(runs: Runs) -> str:
    """Final training loss, test accuracy and duration of every run."""
    rows = [
        [
            optimizer,
            FRAMEWORKS[framework].title,
            f"{run.training_loss[-1]:.6f}",
            f"{run.test_accuracy[-1]:.2%}",
            f"{run.seconds:.1f}",
        ]
        for optimizer, by_framework in runs.items()
        for framework, run in by_framework.items()
    ]
    return _align(["optimizer", "framework", "training loss", "test accuracy", "seconds"], rows, left=2)


def distance_table(runs: Runs) -> str:
    """The largest distance between the trajectories of every two frameworks, per optimizer."""
    distances = {optimizer: pairwise_distances(by_framework) for optimizer, by_framework in runs.items()}
    pairs = list(next(iter(distances.values())))
    rows = [[optimizer, *(f"{by_pair[pair].max():.1e}" for pair in pairs)] for optimizer, by_pair in distances.items()]
    return _align(["optimizer", *map(pair_title, pairs)], rows, left=1)


def pair_title(pair: tuple[str, str]) -> str:
    """The names of two frameworks."""
    return "–".join(FRAMEWORKS[framework].title for framework in pair)


def write_csv(runs: Runs, folder: Path) -> list[Path]:
    """Write the curves and the distances.

    Args:
        runs: At least one.
        folder: Exists.

    Returns:
        The files: ``curves.csv``, and ``distances.csv`` (without rows if there is one framework).
    """
    curves = (
        (optimizer, framework, *point)
        for optimizer, by_framework in runs.items()
        for framework, run in by_framework.items()
        for point in zip(run.evaluation_steps, run.training_loss, run.test_accuracy, strict=True)
    )
    distances = (
        (optimizer, *pair, *point)
        for optimizer, by_framework in runs.items()
        for pair, values in pairwise_distances(by_framework).items()
        for point in zip(by_framework[pair[0]].recorded_steps, values, strict=True)
    )
    return [
        _write(folder / "curves.csv", ["optimizer", "framework", "step", "training_loss", "test_accuracy"], curves),
        _write(
            folder / "distances.csv",
            ["optimizer", "framework", "other_framework", "step", "relative_distance"],
            distances,
        ),
    ]


def _align(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Columns of equal width, the first ``left`` of them flush left, the others flush right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:{'<' if i < left else '>'}{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path
