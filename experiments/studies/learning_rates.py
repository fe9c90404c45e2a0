"""Which learning rate INDIAN has by default, without a norm and in each norm, on small tasks.

The tasks are those of the experiment ``defaults``, on whose first two α and β were chosen, with their validation images
and their score; without a norm, two more networks come in, which had no part in that choice. α and β are the defaults.
The rule, written down before the runs: the learning rate with the smallest regret on its worst task, among those within
half a point of it the smallest. Run with::

    python -m experiments learning_rates --data DIR
"""

from collections.abc import Mapping, Sequence
from typing import Final

from experiments.lib import comparison
from experiments.lib.command_line import parser
from experiments.lib.curves import write_csv, write_json
from experiments.lib.runs import configuration
from experiments.studies.defaults import BUDGETS, NOISE, Runs, Task, further_tasks, tasks

__all__ = ["chosen", "main"]

LEARNING_RATES: Final[Mapping[str, Mapping[str, Sequence[float]]]] = {
    "quick": {"INDIAN": (0.05, 0.1), "INDIAN, RMSProp norm": (0.001, 0.003), "INDIAN, AdaGrad norm": (0.03, 0.1)},
    "standard": {
        "INDIAN": (0.0125, 0.025, 0.05, 0.1, 0.2),
        "INDIAN, RMSProp norm": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
        "INDIAN, AdaGrad norm": (0.003, 0.01, 0.03, 0.1, 0.3),
    },
}

Scores = Mapping[float, Sequence[float]]
"""By learning rate, the score on each task, in percent."""


def chosen(scores: Scores) -> float:
    """The learning rate that the rule takes.

    Example:
        >>> chosen({0.1: [90.0, 40.0], 0.01: [89.8, 40.0], 0.001: [80.0, 41.0]})
        0.01
    """
    best = [max(of_task) for of_task in zip(*scores.values(), strict=True)]
    regrets = {rate: max(b - s for b, s in zip(best, found, strict=True)) for rate, found in scores.items()}
    return min(rate for rate, regret in regrets.items() if regret <= min(regrets.values()) + NOISE)


def _table(name: str, scores: Scores, every: Sequence[Task]) -> str:
    lines = [f"| {name}: learning rate |" + "".join(f" {task.name} |" for task in every), "|---|" + "---|" * len(every)]
    lines += [f"| {rate:g} |" + "".join(f" {score:.1f} |" for score in found) for rate, found in scores.items()]
    return "\n".join([*lines, "", f"Chosen: {chosen(scores):g}"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment, print its tables as Markdown, and write them and its runs."""
    options = parser("learning_rates", __doc__, ["data", "scale", "workers"], scales=tuple(LEARNING_RATES)).parse_args(
        arguments
    )
    folder = options.output
    with comparison.explained():
        budget = BUDGETS[options.scale]
        deciding, checking = tasks(options.data, budget.digits_epochs)
        runs = Runs(folder, options.data, budget, options.workers)
        rates = LEARNING_RATES[options.scale]
        shared = [*deciding, *checking]
        every = {name: [*shared, *further_tasks(options.data)] if name == "INDIAN" else shared for name in rates}
        trials = [
            (task, "validation", name, {"lr": rate}, task.seeds.confirm)
            for name, of_norm in rates.items()
            for rate in of_norm
            for task in every[name]
        ]
        runs.do("learning rates", trials)
    found = []
    for name, of_norm in rates.items():
        scores = {
            rate: [runs.score(task, name, {"lr": rate}, task.seeds.confirm) for task in every[name]] for rate in of_norm
        }
        found.append(_table(name, scores, every[name]))
    text = "\n\n".join(found)
    settings = {"learning_rates": rates, "digits_epochs": budget.digits_epochs, "noise_points": NOISE, "threads": 1}
    described = configuration(settings, ["experiments.studies.defaults", "indian_torch"], ["numpy", "torch"])
    write_json(folder / "configuration.json", described)
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    write_csv(folder / "runs.csv", runs.rows())
    print(f"{text}\n\nWritten to {folder}")
