"""What came out, as Markdown and as rows of CSV files."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.lib import curves
from experiments.lib.curves import markdown_table, spread
from experiments.lib.tuning import final as end_of
from experiments.studies.damping.contestants import BASES, NESTEROV, VARIANTS, damping_of, described
from experiments.studies.damping.plans import Plan
from experiments.studies.damping.stages import (
    CHOSEN_BY,
    Finals,
    Searched,
    at_equal_hyperparameters,
    losses_by_damping,
)

__all__ = ["curve_rows", "final_rows", "final_table", "grid_rows", "grid_tables", "summary_table"]


# --- The grid ---------------------------------------------------------------------------------------------------------


def grid_tables(plan: Plan, searched: Mapping[str, Searched]) -> str:
    """What the grid has shown."""
    parts = [_best_table(plan, searched)]
    parts += [f"**{label}**\n\n{_damping_table(plan, searched, label)}" for label in plan.variants]
    return "\n\n".join(parts)


def _best_table(plan: Plan, searched: Mapping[str, Searched]) -> str:
    number = len(plan.grid.cells())
    header = ["optimizer", "trials", "diverged", "best", "its loss", f"expected best of {number} trials"]
    lines = []
    for label, each in sorted(searched.items(), key=lambda item: item[1].expected_best(number)):
        losses = each.losses()
        lines.append(
            [
                label,
                str(len(losses)),
                str(sum(math.isinf(loss) for loss in losses)),
                described(each.best()) + _edge(each),
                _loss(min(losses)),
                _loss(each.expected_best(number)),
            ]
        )
    note = (
        f"Validation loss after {plan.sizes.search_steps} steps, one seed. The last column gives no advantage to an "
        f"optimizer with more trials: it is the mean, over all draws of {number} of its trials, of the best loss."
    )
    return f"{markdown_table(header, lines)}\n\n{note}"


def _edge(searched: Searched) -> str:
    rates = [trial.learning_rate for trial in searched.contestant.trials]
    best = searched.best().learning_rate
    if min(rates) == max(rates):
        return ""
    return {min(rates): " (the smallest rate)", max(rates): " (the largest rate)"}.get(best, "")


def _damping_table(plan: Plan, searched: Mapping[str, Searched], label: str) -> str:
    cells = losses_by_damping(plan, searched, label)
    columns = list(dict.fromkeys(_column(r, mu) for (_, mu), losses in cells.items() for r in losses))
    lines = []
    for (lr, mu), losses in cells.items():
        by_column = {_column(r, mu): loss for r, loss in losses.items()}
        lines.append([f"{lr:g}, {mu:g}", *(_loss(by_column.get(column)) for column in columns)])
    peer = VARIANTS[label].peer
    return markdown_table([f"{peer}'s η, μ", *(f"r = {column}" for column in columns)], lines)


def _column(damping: float, momentum: float) -> str:
    return "1 + μ" if damping == damping_of(NESTEROV, momentum) else f"{damping:g}"


def _loss(loss: float | None) -> str:
    if loss is None:
        return ""
    return f"{loss:.4f}" if math.isfinite(loss) else "diverged"


def grid_rows(searched: Mapping[str, Searched]) -> list[dict[str, Any]]:
    """All runs of the grid."""
    return [
        {
            "optimizer": label,
            "learning_rate": trial.learning_rate,
            "momentum": trial.momentum,
            "damping": trial.damping,
            "diverged": result["diverged"],
            **_ends(result),
        }
        for label, each in searched.items()
        for trial, result in zip(each.contestant.trials, each.results, strict=True)
    ]


# --- The final runs ---------------------------------------------------------------------------------------------------


def final_table(plan: Plan, finals: Finals) -> str:
    """All entries, the best first, with when they reached the loss that the base ended with."""
    base = BASES[plan.family][0]
    target = _mean_end(finals[base][1])
    header = ["optimizer", "hyperparameters", "chosen", "validation loss", f"difference to {base}", "test loss"]
    header += ["test accuracy, %", f"steps to {base}'s end", f"seconds to {base}'s end", "ms a step"]
    lines = []
    for entry, results in sorted(finals.values(), key=lambda each: _mean_end(each[1])):
        tests = [result.get("test_loss", math.inf) for result in results]
        accuracies = [100 * result.get("test_accuracy", math.inf) for result in results]
        lines.append(
            [
                entry.label,
                described(entry.trial),
                entry.chosen,
                spread([end_of(result, CHOSEN_BY) for result in results], 4),
                _differences(results, finals[base][1]),
                spread(tests, 4),
                spread(accuracies, 1),
                _reached(results, target, "step"),
                _reached(results, target, "seconds"),
                _milliseconds(results),
            ]
        )
    note = (
        f"Mean (lowest–highest) of {len(finals[base][1])} seeds. Differences are those of runs with the same seed. "
        f"*{base}'s end*: the mean validation loss is {target:.4f}, {base}'s after its last step. Seconds are those of "
        "the steps alone: CPU seconds of one thread, or seconds of the clock on a GPU."
    )
    return f"{markdown_table(header, lines)}\n\n{note}"


def summary_table(plans: Mapping[str, Plan], finals: Mapping[str, Finals]) -> str:
    """All tasks: the base, what damping changes at the base's own η and μ, and the best other optimizer."""
    header = ["task", "base", "its loss", "at its η and μ", "change of the loss", "steps to the base's end"]
    header += ["best other optimizer, tuned", "its loss"]
    lines = []
    for task, found in finals.items():
        base = BASES[plans[task].family][0]
        results = found[base][1]
        target = _mean_end(results)
        others = {label: _mean_end(runs) for label, (_, runs) in found.items() if label in plans[task].peers}
        best = min((label for label in others if label != base), key=others.__getitem__, default=base)
        start = [plans[task].title, f"{base}, {described(found[base][0].trial)}", f"{target:.4f}"]
        end = [best, _loss(others[best])]
        for label in at_equal_hyperparameters(plans[task], found):
            runs = found[label][1]
            row = [label, _differences(runs, results), _reached(runs, target, "step")]
            lines.append([*start, *row, *end])
            start, end = [""] * 3, [""] * 2
    note = (
        "Mean (lowest–highest) over the seeds of a task, each against the base with the same seed; negative is better. "
        "The other optimizers had as many trials as the base."
    )
    return f"{markdown_table(header, lines)}\n\n{note}"


def _mean_end(results: Sequence[Mapping[str, Any]]) -> float:
    return sum(end_of(result, CHOSEN_BY) for result in results) / len(results)


def _differences(results: Sequence[Mapping[str, Any]], of_base: Sequence[Mapping[str, Any]]) -> str:
    pairs = zip(results, of_base, strict=True)
    found = [end_of(result, CHOSEN_BY) - end_of(other, CHOSEN_BY) for result, other in pairs]
    if not all(map(math.isfinite, found)):
        return ""
    return f"{sum(found) / len(found):+.4f} ({min(found):+.4f} to {max(found):+.4f})"


def _reached(results: Sequence[Mapping[str, Any]], target: float, x: str) -> str:
    if any(result["diverged"] for result in results):
        return "diverged"
    place = curves.first_below(curves.band(results, x, CHOSEN_BY), target)
    if place is None:
        return "not reached"
    return f"{place:.0f}" if x == "step" else f"{place:.1f}"


def _milliseconds(results: Sequence[Mapping[str, Any]]) -> str:
    times = sorted(1000 * result["seconds"][-1] / result["step"][-1] for result in results if "step" in result)
    return f"{times[len(times) // 2]:.1f}" if times else ""


def final_rows(finals: Finals) -> list[dict[str, Any]]:
    """How every final run ended."""
    return [
        {
            "entry": label,
            "optimizer": entry.optimizer,
            "chosen": entry.chosen,
            "learning_rate": entry.trial.learning_rate,
            "momentum": entry.trial.momentum,
            "damping": entry.trial.damping,
            "seed": seed,
            "diverged": result["diverged"],
            **_ends(result),
        }
        for label, (entry, results) in finals.items()
        for seed, result in enumerate(results, start=1)
    ]


def curve_rows(finals: Finals) -> list[dict[str, Any]]:
    """All points of the curves of the final runs."""
    quantities = ("step", "seconds", "training_loss", "validation_loss", "validation_accuracy")
    return [
        {"entry": label, "seed": seed, **dict(zip(quantities, map(_short, values), strict=True))}
        for label, (_, results) in finals.items()
        for seed, result in enumerate(results, start=1)
        for values in zip(*(result.get(quantity, ()) for quantity in quantities), strict=True)
    ]


def _ends(result: Mapping[str, Any]) -> dict[str, float]:
    ends = {key: values[-1] if isinstance(values, list) else values for key, values in result.items()}
    return {key: _short(value) for key, value in ends.items() if key != "diverged"}


def _short(value: float) -> float:
    return float(f"{value:.6g}")
