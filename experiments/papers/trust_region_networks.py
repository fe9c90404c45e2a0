"""The trust region on networks: uniform, AdaGrad and RMSProp ellipsoids, and SGD, AdaGrad, RMSProp, Adam, tuned alike.

Figures 3 and 9 to 11 of Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods"
(2019): training loss of a perceptron, a residual network and an autoencoder on MNIST and CIFAR-10, by backpropagations,
epochs and seconds. Every method has the same number of trials of the same cost, and the best by training loss runs on
fresh seeds; the trust regions also run with the paper's own constants. The budget of a run is in propagated examples
(one for each example of each gradient and each Hessian-vector product). At the quick scale, unless ``--data`` names
images, the images are handwritten digits. Run with::

    python -m experiments trust_region_networks --data DIR
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from experiments.lib import budgeted_training, curves, data
from experiments.lib.budgeted_training import TRUST_REGIONS
from experiments.lib.command_line import parser
from experiments.lib.comparison import explained
from experiments.lib.figures import drawing, legend_below
from experiments.lib.runs import code_version, execute, versions
from experiments.lib.styles import OPTIMIZERS
from experiments.lib.tuning import final, grid_trials

__all__ = ["FIRST_ORDER", "PAPER_CONSTANTS", "Task", "main", "redraw", "tasks"]

FIRST_ORDER: Final = ("SGD", "AdaGrad", "RMSProp", "Adam")

PAPER_CONSTANTS: Final = {"radius": 1e-4, "expand_factor": 1.1}
"""Those of the trust region's constants that are tuned; the others are always the paper's."""

TRIALS: Final[Mapping[str, Sequence[Mapping[str, float]]]] = {
    **{
        name: [
            PAPER_CONSTANTS,
            {"radius": 1e-2, "expand_factor": 1.1},
            {"radius": 1e-1, "expand_factor": 1.1},
            {"radius": 1.0, "expand_factor": 1.1},
            {"radius": 1e-1, "expand_factor": 2.0},
        ]
        for name in TRUST_REGIONS
    },
    "SGD": grid_trials(lr=(0.03, 0.1, 0.3, 1.0, 10.0)),
    "AdaGrad": grid_trials(lr=(0.003, 0.01, 0.03, 0.1, 0.3)),
    "RMSProp": grid_trials(lr=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
    "Adam": grid_trials(lr=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2)),
}
"""The same number for every method; momentum constants are those of the frameworks, as in the paper."""

FIRST_ORDER_BATCH: Final = 32

AXES: Final = {
    "backpropagations": "backpropagations (calls)",
    "propagated": "propagated examples",
    "epochs": "epochs",
    "cpu_seconds": "CPU seconds",
}

SEARCH_SEED: Final = 0

PAPER_SEEDS: Final = 1
"""Runs of each trust region with the paper's constants."""

SCALES: Final[Mapping[str, Mapping[str, Any]]] = {
    "quick": {
        "images": {"training": 256, "validation": 0, "test": 100},
        "evaluate": {"training": 200, "test": 100},
        "networks": {
            "perceptron": {"name": "tanh_perceptron", "widths": [8]},
            "residual network": {"name": "residual_network", "widths": [4, 8], "stride": 2},
            "autoencoder": {"name": "dense_autoencoder", "widths": [8, 4]},
        },
        "batch_sizes": {"perceptron": 64, "residual network": 32, "autoencoder": 64},
        "budgets": {"perceptron": 1500, "residual network": 500, "autoencoder": 1500},
        "trials": 2,
        "search_share": 0.3,
        "evaluations": 4,
        "seeds": 2,
    },
    "standard": {
        "images": {"training": 5000, "validation": 0, "test": 2000},
        "evaluate": {"training": 2000, "test": 2000},
        "networks": {
            "perceptron": {"name": "tanh_perceptron", "widths": [64]},
            "residual network": {"name": "residual_network", "widths": [8, 16, 32], "stride": 2},
            "autoencoder": {"name": "dense_autoencoder", "widths": [128, 64, 16]},
        },
        "batch_sizes": {"perceptron": 512, "residual network": 128, "autoencoder": 512},
        "budgets": {"perceptron": 240_000, "residual network": 48_000, "autoencoder": 240_000},
        "trials": 5,
        "search_share": 0.5,
        "evaluations": 13,
        "seeds": 3,
    },
    "paper": {
        "images": {"training": 50_000, "validation": 0, "test": 10_000},
        "evaluate": {"training": 10_000, "test": 10_000},
        "networks": {
            "perceptron": {"name": "tanh_perceptron", "widths": [512, 512]},
            "residual network": {"name": "residual_network", "widths": [64, 128, 256, 512], "blocks": 2},
            "autoencoder": {"name": "dense_autoencoder", "widths": [1000, 500, 250, 30]},
        },
        "batch_sizes": {"perceptron": 512, "residual network": 128, "autoencoder": 512},
        "budgets": {"perceptron": 20_000_000, "residual network": 10_000_000, "autoencoder": 50_000_000},
        "trials": 5,
        "search_share": 0.3,
        "evaluations": 40,
        "seeds": 5,
    },
}


class Task(NamedTuple):
    """A network on some images.

    Attributes:
        title: Of its panels.
        data: What `experiments.lib.data.images` described.
        network: See `experiments.lib.networks.torch_models.build`.
        batch_size: Of the trust regions.
        budget: Propagated examples of a final run.
    """

    title: str
    data: Mapping[str, Any]
    network: Mapping[str, Any]
    batch_size: int
    budget: int


class Findings(NamedTuple):
    """Of one task: trials with results, what was chosen and the final runs, each by method.

    ``paper`` has the final runs of the trust regions with the paper's constants.
    """

    trials: dict[str, list[tuple[Mapping[str, float], Mapping[str, Any]]]]
    chosen: dict[str, Mapping[str, float]]
    runs: dict[str, list[Mapping[str, Any]]]
    paper: dict[str, list[Mapping[str, Any]]]


def tasks(scale: str, source: Path | None) -> list[Task]:
    """What is trained at a scale."""
    sizes = SCALES[scale]
    sets = ("digits",) if scale == "quick" and source is None else ("mnist", "cifar10")
    found = []
    for name in sets:
        for title, network in sizes["networks"].items():
            halved = scale != "paper" and name != "digits"
            described = data.images(name, source, **sizes["images"], halved=halved)
            label = f"{title}, {'MNIST' if name == 'mnist' else 'CIFAR-10' if name == 'cifar10' else name}"
            adapted = dict(network)
            if scale == "paper" and name == "mnist" and title == "perceptron":
                adapted["widths"] = [128]
            if scale == "paper" and name == "cifar10" and title == "autoencoder":
                adapted = {"name": "convolutional_autoencoder", "widths": [12, 24, 48]}
            found.append(Task(label, described, adapted, sizes["batch_sizes"][title], sizes["budgets"][title]))
    return found


def run(
    task: Task, method: str, hyperparameters: Mapping[str, float], seed: int, scale: str, *, search: bool
) -> dict[str, Any]:
    """The configuration of a run."""
    sizes = SCALES[scale]
    evaluate = {part: n for part, n in sizes["evaluate"].items() if not (search and part == "test")}
    return {
        "data": dict(task.data),
        "network": dict(task.network),
        "optimizer": method,
        "hyperparameters": dict(hyperparameters),
        "batch_size": task.batch_size if method in TRUST_REGIONS else FIRST_ORDER_BATCH,
        "budget": round(task.budget * (sizes["search_share"] if search else 1)),
        "evaluations": 2 if search else sizes["evaluations"],
        "evaluate": evaluate,
        "seed": seed,
    }


def compute(
    tasks: Sequence[Task],
    methods: Sequence[str],
    scale: str,
    seeds: int,
    folder: Path,
    source: Path | None,
    workers: Any,
) -> list[Findings]:
    """Search for hyperparameters, and train with the best."""
    number = SCALES[scale]["trials"]
    candidates = {name: TRIALS[name][:number] for name in methods}
    final_seeds = range(SEARCH_SEED + 1, SEARCH_SEED + 1 + seeds)

    def results(configurations: list[dict[str, Any]], title: str) -> Iterator[Any]:
        jobs = [budgeted_training.job(configuration) for configuration in configurations]
        return iter(execute(jobs, folder / "runs", workers, title, {"source": source}))

    tried = results(
        [
            run(task, name, trial, SEARCH_SEED, scale, search=True)
            for task in tasks
            for name in methods
            for trial in candidates[name]
        ],
        "search",
    )
    trials = [{name: [(trial, next(tried)) for trial in candidates[name]] for name in methods} for _ in tasks]
    chosen = [
        {name: min(found, key=lambda trial: final(trial[1], "training_loss"))[0] for name, found in of_task.items()}
        for of_task in trials
    ]
    ended = results(
        [
            run(task, name, of_task[name], seed, scale, search=False)
            for task, of_task in zip(tasks, chosen, strict=True)
            for name in methods
            for seed in final_seeds
        ],
        "final runs",
    )
    finals = [{name: [next(ended) for _ in final_seeds] for name in methods} for _ in tasks]
    ellipsoids = [name for name in methods if name in TRUST_REGIONS]
    plain = results(
        [
            run(task, name, PAPER_CONSTANTS, seed, scale, search=False)
            for task in tasks
            for name in ellipsoids
            for seed in final_seeds[:PAPER_SEEDS]
        ],
        "the paper's constants",
    )
    papers = [{name: [next(plain) for _ in final_seeds[:PAPER_SEEDS]] for name in ellipsoids} for _ in tasks]
    return [Findings(*each) for each in zip(trials, chosen, finals, papers, strict=True)]


# --- Figures ----------------------------------------------------------------------------------------------------------


def _curve(
    axes: Any, method: str, runs: Sequence[Mapping[str, Any]], axis: str, quantity: str = "training_loss"
) -> None:
    shown = curves.band(runs, axis, quantity)
    # The start is at 0, which a logarithmic axis has no place for.
    kept = (shown.x > 0) & np.isfinite(shown.mean)
    style, line = OPTIMIZERS[method], "-" if method in TRUST_REGIONS else "--"
    axes.plot(
        *(shown.x[kept], shown.mean[kept], line),
        color=style.colour,
        label=method,
        linewidth=1.4,
        marker=style.marker,
        markersize=4,
        markevery=max(1, int(kept.sum()) // 5),
    )
    between = (shown.x[kept], shown.lowest[kept], shown.highest[kept])
    axes.fill_between(*between, color=style.colour, alpha=0.15, linewidth=0)


_DRAWN: Final = (*AXES, "training_loss")

Drawn = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
"""Runs by the title of the task and by method."""


def redraw(folder: Path) -> None:
    """Draw the figures from the file of the curves in the folder."""
    found: dict[str, dict[str, dict[str, dict[str, dict[str, list[float]]]]]] = {}
    for row in curves.read_csv(folder / "curves.csv"):
        of_method = found.setdefault(row["stage"], {}).setdefault(row["task"], {}).setdefault(row["method"], {})
        run = of_method.setdefault(row["seed"], {quantity: [] for quantity in _DRAWN})
        for quantity, values in run.items():
            values.append(float(row[quantity]))
    finals, paper = (
        {
            task: {method: list(runs.values()) for method, runs in of_task.items()}
            for task, of_task in found[stage].items()
        }
        for stage in ("final", "paper's constants")
    )
    draw_ellipsoids(folder / "ellipsoids", finals)
    draw_ellipsoids(folder / "ellipsoids_paper_constants", paper)
    for axis in AXES:
        draw_methods(folder / f"by_{axis}", finals, axis)


def draw_methods(path: Path, drawn: Drawn, axis: str) -> None:
    """Training loss of all methods along one axis, a panel for each task."""
    columns = len(SCALES["standard"]["networks"])
    rows = len(drawn) // columns
    with drawing(path, rows=rows, columns=columns, height=0.8 + 2.6 * rows) as (figure, panels):
        for panel, (task, found) in zip(panels.flat, drawn.items(), strict=True):
            for method, runs in found.items():
                _curve(panel, method, runs, axis)
            _finish(panel, AXES[axis], task)
        for panel in panels[:, 0]:
            panel.set_ylabel("training loss")
        legend_below(figure, panels.flat)


def draw_ellipsoids(path: Path, drawn: Drawn) -> None:
    """Training loss of the trust regions, a row for each task and a column for each axis."""
    axes = ("backpropagations", "epochs", "cpu_seconds")
    with drawing(path, rows=len(drawn), columns=len(axes), height=0.8 + 2.5 * len(drawn)) as (figure, panels):
        for row, (task, found) in zip(panels, drawn.items(), strict=True):
            for panel, axis in zip(row, axes, strict=True):
                for method in TRUST_REGIONS:
                    _curve(panel, method, found[method], axis)
                _finish(panel, AXES[axis], task)
            row[0].set_ylabel("training loss")
        legend_below(figure, panels.flat)


def _finish(panel: Any, label: str, title: str) -> None:
    panel.set(xscale="log", yscale="log", xlabel=label, title=title)
    panel.grid(alpha=0.25)


# --- Tables -----------------------------------------------------------------------------------------------------------


def ends_table(task: Task, found: Findings) -> str:
    """The final runs of every method, the best first, and what they needed for the loss of the best trust region."""
    reference = min(TRUST_REGIONS, key=lambda name: _end(found.runs[name]))
    goal = _end(found.runs[reference])
    header = ["method", "chosen", "training loss", "test loss", "accuracy, %", *AXES.values(), "steps accepted, %"]
    rows = []
    for name, runs in sorted(found.runs.items(), key=lambda item: _end(item[1])):
        reached = [curves.first_below(curves.band(runs, axis, "training_loss"), goal) for axis in AXES]
        accuracy = "test_accuracy" in runs[0]
        rows.append(
            [
                name,
                ", ".join(f"{key} {value:g}" for key, value in found.chosen[name].items()),
                *(
                    curves.spread([_last(result, f"{part}_loss") for result in runs], 4)
                    for part in ("training", "test")
                ),
                curves.spread([100 * result["test_accuracy"][-1] for result in runs], 1) if accuracy else "",
                *("not reached" if value is None else f"{value:.3g}" for value in reached),
                f"{100 * np.mean([result['accepted'][-1] for result in runs]):.0f}" if name in TRUST_REGIONS else "",
            ]
        )
    note = f"*{task.title}*. The four columns before the last: until the loss is {goal:.4f}, {reference}'s at its end."
    return f"{note}\n\n{curves.markdown_table(header, rows)}"


def ellipsoids_table(tasks: Sequence[Task], findings: Sequence[Findings]) -> str:
    """Final losses of the trust regions, tuned and with the paper's constants.

    And the backpropagations until the loss that the uniform one ends with, as a share of those that it needed itself.
    """
    header = ["task", "constants", *TRUST_REGIONS, *(f"{name}: spent until there" for name in list(TRUST_REGIONS)[1:])]
    rows = []
    for task, found in zip(tasks, findings, strict=True):
        for constants, runs in (("tuned", found.runs), ("paper's", found.paper)):
            goal = _end(runs["TR uniform"])
            way = curves.band(runs["TR uniform"], "backpropagations", "training_loss")
            whole = curves.first_below(way, goal)
            shares = []
            for name in list(TRUST_REGIONS)[1:]:
                reached = curves.first_below(curves.band(runs[name], "backpropagations", "training_loss"), goal)
                shares.append(
                    "not within the budget" if reached is None or not whole else f"{100 * reached / whole:.0f} %"
                )
            losses = [
                curves.spread([_last(result, "training_loss") for result in runs[name]], 4) for name in TRUST_REGIONS
            ]
            rows.append([task.title, constants, *losses, *shares])
    return curves.markdown_table(header, rows)


def orders_table(tasks: Sequence[Task], findings: Sequence[Findings]) -> str:
    """The best of either order along each axis, where all methods have got to."""
    header = ["task", *AXES.values()]
    rows = []
    for task, found in zip(tasks, findings, strict=True):
        cells = []
        for axis in AXES:
            bands = {name: curves.band(runs, axis, "training_loss") for name, runs in found.runs.items()}
            common = min(float(band.x[-1]) for band in bands.values())
            losses = {name: _value_at(band, common) for name, band in bands.items()}
            second, first = (min(names, key=losses.__getitem__) for names in (TRUST_REGIONS, FIRST_ORDER))
            shown = [f"{name} {losses[name]:.3g}" for name in (second, first)]
            winner = 0 if losses[second] < losses[first] else 1
            shown[winner] = f"**{shown[winner]}**"
            cells.append(f"{shown[0]}, {shown[1]} at {common:.3g}")
        rows.append([task.title, *cells])
    return curves.markdown_table(header, rows)


def _value_at(band: curves.Band, x: float) -> float:
    return float(np.exp(np.interp(x, band.x, np.log(np.maximum(band.mean, 1e-300)))))


def _end(runs: Sequence[Mapping[str, Any]]) -> float:
    return float(np.mean([_last(result, "training_loss") for result in runs]))


def _last(result: Mapping[str, Any], quantity: str) -> float:
    return math.inf if result["diverged"] else result[quantity][-1]


def _rows(tasks: Sequence[Task], findings: Sequence[Findings]) -> Iterator[dict[str, Any]]:
    for task, found in zip(tasks, findings, strict=True):
        for name, trials in found.trials.items():
            for trial, result in trials:
                yield _row(task, name, "search", trial, SEARCH_SEED, result)
        for stage, runs in (("final", found.runs), ("paper's constants", found.paper)):
            for name, results in runs.items():
                given = found.chosen[name] if stage == "final" else PAPER_CONSTANTS
                for seed, result in enumerate(results, start=SEARCH_SEED + 1):
                    yield _row(task, name, stage, given, seed, result)


def _points(tasks: Sequence[Task], findings: Sequence[Findings]) -> Iterator[dict[str, Any]]:
    """The points of the curves, for `redraw`."""
    for task, found in zip(tasks, findings, strict=True):
        for stage, runs in (("final", found.runs), ("paper's constants", found.paper)):
            for name, results in runs.items():
                for seed, result in enumerate(results, start=SEARCH_SEED + 1):
                    for values in zip(*(result[quantity] for quantity in _DRAWN), strict=True):
                        run = {"task": task.title, "method": name, "stage": stage, "seed": seed}
                        yield run | {key: float(f"{value:.5g}") for key, value in zip(_DRAWN, values, strict=True)}


def _row(
    task: Task, name: str, stage: str, hyperparameters: Mapping[str, float], seed: int, result: Mapping[str, Any]
) -> dict[str, Any]:
    given = " ".join(f"{key}={value:g}" for key, value in hyperparameters.items())
    row = {"task": task.title, "method": name, "stage": stage, "hyperparameters": given, "seed": seed}
    ends = {key: float(f"{values[-1]:.5g}") for key, values in result.items() if key != "diverged"}
    return row | {"diverged": result["diverged"]} | ends


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, train, and write figures, tables and the configuration."""
    made = parser("trust_region_networks", __doc__, ["data", "seeds", "scale", "workers"])
    made.add_argument("--only", choices=("first", "second"), help="compute the runs of one order, and report nothing")
    options = made.parse_args(arguments)
    scale, folder = options.scale, options.output
    seeds = options.seeds or SCALES[scale]["seeds"]
    methods = {"first": FIRST_ORDER, "second": tuple(TRUST_REGIONS)}.get(options.only, (*TRUST_REGIONS, *FIRST_ORDER))
    with explained():
        chosen = tasks(scale, options.data)
        findings = compute(chosen, methods, scale, seeds, folder, options.data, options.workers)
    if options.only:
        return
    curves.write_csv(folder / "runs.csv", list(_rows(chosen, findings)))
    curves.write_csv(folder / "curves.csv", list(_points(chosen, findings)))
    configuration = {
        "scale": scale,
        "tasks": [task._asdict() for task in chosen],
        "trials": {name: list(trials[: SCALES[scale]["trials"]]) for name, trials in TRIALS.items()},
        "chosen": {task.title: found.chosen for task, found in zip(chosen, findings, strict=True)},
        **{key: SCALES[scale][key] for key in ("search_share", "evaluations", "evaluate")},
        "first_order_batch_size": FIRST_ORDER_BATCH,
        "search_seed": SEARCH_SEED,
        "seeds_of_final_runs": list(range(SEARCH_SEED + 1, SEARCH_SEED + 1 + seeds)),
        "code": code_version(["experiments.lib.budgeted_training", "indian_torch.trust_region"]),
        "versions": versions(["numpy", "torch", "indian"]),
        "threads": 1,
    }
    curves.write_json(folder / "configuration.json", configuration)
    redraw(folder)
    tables = {
        "ellipsoids.md": ellipsoids_table(chosen, findings),
        "orders.md": orders_table(chosen, findings),
        "ends.md": "\n\n".join(ends_table(task, found) for task, found in zip(chosen, findings, strict=True)),
    }
    for name, text in tables.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
        print(f"{text}\n")
    print(f"Written to {folder}")
