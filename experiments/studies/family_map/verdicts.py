"""What the map says, as tables: does Newton damping beyond Nesterov pay, and where; what should the defaults be."""

from collections.abc import Mapping, Sequence
from math import comb

from experiments.lib.comparison import Comparison
from experiments.lib.curves import markdown_table, spread
from experiments.studies.family_map.common_settings import DEFAULT_LABEL, Setting, described, regret
from experiments.studies.family_map.outcomes import Outcome, TaskMap, best, difference
from experiments.studies.family_map.points import Point, nesterov, place

__all__ = ["best_of_some", "by_column", "by_row", "common", "edges", "pairs", "sides"]


def sides(maps: Mapping[str, TaskMap]) -> str:
    """The best of each side of the Nesterov line, and Adam's best."""
    rows = []
    for task, of_task in maps.items():
        beyond, within = of_task.side(beyond=True), of_task.side(beyond=False)
        same = min(len(beyond), len(within))
        first, second, adam = best(beyond), best(within), of_task.adam()
        for outcome, points in ((first, beyond), (second, within), (adam, list(of_task.adams.values()))):
            number = min(same, len(points))
            rows.append(
                [
                    task,
                    f"{outcome.label}{_edge(outcome)}",
                    str(len(points)),
                    *_ends(outcome),
                    f"{100 * best_of_some(points, number, 'test_accuracy'):.1f} (of {number})",
                ]
            )
        rows.append([task, "**beyond − up to Nesterov**", "", *_differences(first, second), ""])
        rows.append([task, "**beyond − Adam**", "", *_differences(first, adam), ""])
    header = [
        "task",
        "best by validation loss",
        "among",
        "training loss",
        "test accuracy, %",
        "if fewer points: test %",
    ]
    return markdown_table(header, rows)


def best_of_some(outcomes: Sequence[Outcome], number: int, quantity: str) -> float:
    """The mean of a quantity if only so many of the outcomes were tried, averaged over all ways to choose them.

    The best of a choice is the one that comes first by validation loss; the one of rank i, counted from 0, does in
    C(n − i − 1, number − 1) of the C(n, number) choices.
    """
    ranked = sorted(outcomes, key=lambda outcome: outcome.search_loss)
    n = len(ranked)
    ways = [comb(n - i - 1, number - 1) for i in range(n - number + 1)]
    return sum(w * outcome.mean(quantity) for w, outcome in zip(ways, ranked, strict=False)) / comb(n, number)


def by_row(of_task: TaskMap) -> str:
    """For each momentum the heavy ball, Nesterov and the best beyond it."""
    rows = []
    for momentum in dict.fromkeys(point.momentum for point in of_task.points):
        row = {point: outcome for point, outcome in of_task.points.items() if point.momentum == momentum}
        line = row[Point(momentum, nesterov(momentum))]
        farther = {point: outcome for point, outcome in row.items() if point.beyond_nesterov}
        ball = row[Point(momentum, 1.0)]
        cells = [f"{momentum:g}", _short(ball), _short(line)]
        if farther:
            damped = best(farther.values())
            ratio = next(point.ratio for point, outcome in farther.items() if outcome is damped)
            cells += [f"{ratio:g} (of {len(farther)})", _short(damped), *_differences(damped, line)]
        else:
            cells += ["", "", "", ""]
        rows.append(cells)
    header = ["μ", "heavy ball", "Nesterov", "best β/γ beyond", "with it", "training loss: beyond − Nesterov"]
    return markdown_table([*header, "test accuracy: beyond − Nesterov, points"], rows)


def by_column(of_task: TaskMap) -> str:
    """For each ratio its best momentum: columns have about as many points each."""
    columns: dict[str, list[tuple[Point, Outcome]]] = {}
    for point, outcome in of_task.points.items():
        name = "1 + μ" if point.momentum > 0 and point.ratio == nesterov(point.momentum) else f"{point.ratio:g}"
        columns.setdefault(name, []).append((point, outcome))
    rows = []
    for name, column in columns.items():
        chosen = best([outcome for _, outcome in column])
        momentum = next(point.momentum for point, outcome in column if outcome is chosen)
        rows.append([name, f"{momentum:g} (of {len(column)})", *_ends(chosen), f"{chosen.search_loss:.4g}"])
    rows.sort(key=lambda row: float(row[0]) if row[0] != "1 + μ" else 1.9)
    return markdown_table(["β/γ", "best μ", "training loss", "test accuracy, %", "validation loss of the trial"], rows)


def pairs(maps: Mapping[str, TaskMap]) -> str:
    """The papers' (α, β) and the default with the learning rate that each chose, and SGD with Nesterov's momentum."""
    rows = []
    for task, of_task in maps.items():
        for (alpha, beta), outcome in of_task.pairs.items():
            at = place(outcome.chosen)
            rows.append(
                [
                    task,
                    f"({alpha:g}, {beta:g})",
                    f"{outcome.chosen['lr']:.3g}{_edge(outcome)}",
                    f"{at.momentum:.4g}",
                    f"{at.ratio:.3g}",
                    *_ends(outcome),
                ]
            )
        point, check = of_task.check
        rate = f"{check.chosen['lr']:.3g}{_edge(check)}"
        rows.append([task, check.label, rate, f"{point.momentum:g}", f"{point.ratio:g}", *_ends(check)])
        same = of_task.points[point]
        rate = f"{same.chosen['lr']:.3g}{_edge(same)}"
        rows.append([task, same.label, rate, f"{point.momentum:g}", f"{point.ratio:g}", *_ends(same)])
    return markdown_table(["task", "(α, β)", "learning rate", "μ", "β/γ", "training loss", "test accuracy, %"], rows)


def common(maps: Mapping[str, TaskMap], settings: Sequence[Setting], found: Mapping[str, Comparison]) -> str:
    """Settings that are good on both tasks, and the default."""
    rows = []
    labels = [*(setting.label for setting in settings), DEFAULT_LABEL]
    for label in labels:
        entries = [of_task[label] for of_task in found.values()]
        outcomes = [Outcome.of(label, entry) for entry in entries]
        lost = regret(maps, [outcome.accuracies[0] for outcome in outcomes])
        given = entries[0].chosen
        rows.append([label, described(given), f"{100 * lost:.1f}", *(end for each in outcomes for end in _ends(each))])
    header = ["setting", "", "regret, points"]
    header += [f"{task}: {quantity}" for task in maps for quantity in ("training loss", "test %")]
    return markdown_table(header, rows)


def edges(maps: Mapping[str, TaskMap]) -> str:
    """Which points chose the smallest or the largest learning rate that they tried."""
    lines = []
    for task, of_task in maps.items():
        for edge in ("smallest", "largest"):
            at = [f"({p.momentum:g}, {p.ratio:g})" for p, outcome in of_task.points.items() if outcome.edge == edge]
            lines.append(f"- {task}, {edge}: {', '.join(at) or 'none'}")
    return "Points (μ, β/γ) whose best trial was at the edge of the learning rates tried:\n\n" + "\n".join(lines)


def _ends(outcome: Outcome) -> list[str]:
    accuracies = [100 * value for value in outcome.ends("test_accuracy")]
    return [spread(outcome.ends("training_loss"), 3), spread(accuracies, 1)]


def _differences(one: Outcome, other: Outcome) -> list[str]:
    return [difference(one, other, "training_loss", 3), difference(one, other, "test_accuracy", 1, scale=100)]


def _short(outcome: Outcome) -> str:
    if outcome.diverged():
        return spread(outcome.ends("training_loss"), 3)
    return f"{outcome.mean('training_loss'):.3f}, {100 * outcome.mean('test_accuracy'):.1f} %{_edge(outcome)}"


def _edge(outcome: Outcome) -> str:
    return f" ({outcome.edge} rate tried)" if outcome.edge else ""
