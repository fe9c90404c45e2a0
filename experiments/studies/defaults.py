"""Which learning rate, α and β are good defaults? A search with the same budget for INDIAN and its peers, in PyTorch.

The tasks, the rule and what came of it are in docs/defaults.md. Run with::

    python -m experiments defaults --data DIR

The folder holds cifar10*.npz, for the second task that decides, and mnist*.npz, for a task that only checks the choice.
Without ``--data`` the digits alone decide. Seeds are fixed, since no two stages of the search may share one.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, Optimizer

from experiments.lib import comparison, data
from experiments.lib.command_line import parser
from experiments.lib.curves import read_csv, write_csv, write_json
from experiments.lib.figures import drawing
from experiments.lib.networks.architectures import (
    convnet,
    network_in_network,
    perceptron,
    strided_convnet,
    strided_network_in_network,
)
from experiments.lib.networks.layers import Network
from experiments.lib.networks.torch_network import TorchNetwork, torch_initial_weights
from experiments.lib.runs import Job, execute, versions
from experiments.lib.styles import styles
from indian_torch import INDIAN

__all__ = ["BUDGETS", "MAKERS", "NOISE", "Runs", "Settings", "Task", "further_tasks", "main", "redraw", "tasks"]

BATCH_SIZE = 32
CONFIRMED = 2  # best trials of an optimizer and task that run again on fresh seeds
CANDIDATES = 4  # best points of the grid that run again on fresh seeds
NARROW = 48  # channels of the Network in Network
LAST_EPOCHS = 2  # over whose ends the validation accuracy is averaged
NOISE = 0.5  # percentage points below which two settings count as equal

PAPER = {"lr": 0.1, "alpha": 0.5, "beta": 0.1}
PRIOR = {"lr": 0.1, "alpha": 0.5, "beta": 0.4}  # the best of a small probe on one seed, made before this experiment

Settings = Mapping[str, float]


class Budget(NamedTuple):
    """How much is searched: trials of the random search, for each optimizer and task, and INDIAN's grid."""

    trials: int
    lr: tuple[float, ...]
    alpha: tuple[float, ...]
    beta: tuple[float, ...]
    digits_epochs: int

    def grid(self) -> list[Settings]:
        """All combinations."""
        return [setting for alpha in self.alpha for setting in self.plane(alpha)]

    def plane(self, alpha: float) -> list[Settings]:
        """Those with one α, rows lr, columns β."""
        return [{"lr": lr, "alpha": alpha, "beta": beta} for lr in self.lr for beta in self.beta]


BUDGETS = {
    "quick": Budget(2, (0.1,), (0.5,), (0.1, 0.4, 0.8), 1),
    "standard": Budget(14, (0.05, 0.1, 0.2, 0.5), (0.1, 0.25, 0.5, 1.0), (0.1, 0.2, 0.4, 0.8, 1.6), 10),
}


class Seeds(NamedTuple):
    """Seeds of the three stages; no two stages share one."""

    search: tuple[int, ...]
    confirm: tuple[int, ...]
    report: tuple[int, ...]


_SEEDS_OF_DIGITS = Seeds((0, 1), (2, 3, 4), (10, 11, 12, 13, 14))
_SEEDS_OF_FILES = Seeds((0,), (1, 2), (10, 11, 12))


class Split(NamedTuple):
    """Images and labels to train on, and to measure accuracy on."""

    x: Tensor
    y: Tensor
    x_held: Tensor
    y_held: Tensor


@dataclass(frozen=True)
class Task:
    """A network, its data and the length of a run; ``split(held, seed)`` with held "validation" or "test"."""

    name: str
    images: str
    network: Callable[[int], nn.Module]
    split: Callable[[str, int], Split]
    epochs: int
    seeds: Seeds


@dataclass(frozen=True)
class Peer:
    """An optimizer, what a user would take without tuning (None: for this experiment to say), and where to search."""

    make: Callable[..., Optimizer]
    untuned: Settings | None
    fixed: tuple[Settings, ...]
    draw: Callable[[np.random.Generator], Settings]


class Run(NamedTuple):
    """One line of runs.csv. ``held`` says which images ``accuracy`` (in percent) is about."""

    task: str
    held: str
    optimizer: str
    settings: str
    seed: int
    training_loss: float
    accuracy: float
    accuracy_last_epochs: float
    cpu_seconds: float


# --- Optimizers -------------------------------------------------------------------------------------------------------


def _log_uniform(generator: np.random.Generator, low: float, high: float) -> float:
    return float(f"{np.exp(generator.uniform(np.log(low), np.log(high))):.3g}")


def _momentum(generator: np.random.Generator) -> float:
    return round(1 - _log_uniform(generator, 0.01, 0.5), 4)


PEERS: dict[str, Peer] = {
    "INDIAN": Peer(
        # As the committed runs were computed: the faster kernels round otherwise.
        partial(INDIAN, foreach=False),
        None,
        (PAPER, PRIOR),
        lambda g: {
            "lr": _log_uniform(g, 0.01, 1.0),
            "alpha": float(g.choice([0.0, 0.1, 0.25, 0.5, 1.0, 2.0])),
            "beta": _log_uniform(g, 0.05, 2.0),
        },
    ),
    "SGD Nesterov": Peer(
        partial(SGD, nesterov=True),
        {"lr": 0.01, "momentum": 0.9},
        ({"lr": 0.01, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.9}),
        lambda g: {"lr": _log_uniform(g, 0.001, 0.5), "momentum": _momentum(g)},
    ),
    "Adam": Peer(
        lambda params, lr, beta1: Adam(params, lr=lr, betas=(beta1, 0.999)),
        {"lr": 0.001, "beta1": 0.9},
        ({"lr": 0.001, "beta1": 0.9}, {"lr": 0.003, "beta1": 0.9}),
        lambda g: {"lr": _log_uniform(g, 0.0001, 0.03), "beta1": _momentum(g)},
    ),
    "SGD": Peer(
        SGD,
        {"lr": 0.01},
        ({"lr": 0.01}, {"lr": 0.1}),
        lambda g: {"lr": _log_uniform(g, 0.003, 1.0)},
    ),
}


MAKERS: dict[str, Callable[..., Optimizer]] = {name: peer.make for name, peer in PEERS.items()} | {
    "INDIAN, RMSProp norm": partial(INDIAN, norm="rmsprop"),
    "INDIAN, AdaGrad norm": partial(INDIAN, norm="adagrad"),
}
"""The optimizers that a run may have, by name."""


def _trials(name: str, number: int) -> list[Settings]:
    """The settings that the search tries for an optimizer: the same ones on every task."""
    generator = np.random.default_rng(list(PEERS).index(name))
    fixed = list(PEERS[name].fixed)
    return (fixed + [PEERS[name].draw(generator) for _ in range(number - len(fixed))])[:number]


# --- Tasks ------------------------------------------------------------------------------------------------------------


def tasks(source: Path | None, digits_epochs: int) -> tuple[list[Task], list[Task]]:
    """The tasks that decide, and those that only check.

    Args:
        source: The folder with the images; without it there are the digits alone.
        digits_epochs: The length of a run on the digits.
    """
    deciding = [Task("digits", "digits", _digits_network, _digits_split, digits_epochs, _SEEDS_OF_DIGITS)]
    if source is None:
        return deciding, []
    seeds = _SEEDS_OF_FILES
    colour, grey = _file_split("cifar10", source), _file_split("mnist", source)
    network = strided_network_in_network(_input_shape(colour), classes=10)
    deciding.append(Task("colour", "cifar10", partial(_started_by_torch, network), colour, 5, seeds))
    network = perceptron(_input_shape(grey), classes=10)
    return deciding, [Task("perceptron", "mnist", partial(_started_by_torch, network), grey, 5, seeds)]


def further_tasks(source: Path | None) -> list[Task]:
    """Two tasks that had no part in the choice of the defaults; none without the images.

    On those of the task "colour", a network with pooling that starts with He's weights, and a Network in Network that
    starts with Glorot's.
    """
    if source is None:
        return []
    colour = _file_split("cifar10", source)
    shape = _input_shape(colour)
    in_network = network_in_network(shape, classes=10, width=NARROW)
    in_network = in_network._replace(hidden_kernels="glorot_uniform", output_kernel="glorot_uniform")
    return [
        Task(name, "cifar10", partial(_started, network), colour, 5, _SEEDS_OF_FILES)
        for name, network in (("pooling", convnet(shape, classes=10)), ("network in network", in_network))
    ]


def _started(network: Network, seed: int) -> nn.Module:
    return TorchNetwork(network, network.initial_weights(seed))


def _digits_network(seed: int) -> nn.Module:
    return _started(strided_convnet((8, 8, 1), data.DIGITS), seed)


def _started_by_torch(network: Network, seed: int) -> nn.Module:
    return TorchNetwork(network, torch_initial_weights(network, seed))


def _input_shape(split: Callable[[str, int], Split]) -> tuple[int, ...]:
    return tuple(split("test", 0).x.shape[1:])


def _digits_split(held: str, seed: int) -> Split:
    """Test: the demo's split. Validation: a fifth of its training images, others for every seed."""
    digits = data.digits()
    if held == "test":
        return _as_tensors(*digits)
    order = np.random.default_rng([seed, 1]).permutation(len(digits.y_train))
    kept, left_out = np.split(order, [len(order) * 4 // 5])
    return _as_tensors(*(array[rows] for rows in (kept, left_out) for array in (digits.x_train, digits.y_train)))


@cache
def _file_split(name: str, source: Path) -> Callable[[str, int], Split]:
    """5000 training images; validation: the next 2500; test: the first 5000 test images.

    Colour images are halved in size by averaging, and standardized by channel.
    """
    x_train, y_train, x_test, y_test = data.image_arrays(name, source)
    images = {part: x[:7500].astype(np.float64) / 255 for part, x in (("train", x_train), ("test", x_test))}
    labels = {part: y[:7500].ravel().astype(np.int64) for part, y in (("train", y_train), ("test", y_test))}
    if images["train"].ndim == 4:
        mean, deviation = images["train"].mean((0, 1, 2)), images["train"].std((0, 1, 2))
        for part, x in images.items():
            n, height, width, channels = x.shape
            halved = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
            images[part] = (halved - mean) / deviation
    else:
        images = {part: x[..., np.newaxis] for part, x in images.items()}
    train = slice(0, 5000)
    splits = {
        held: _as_tensors(images["train"][train], labels["train"][train], images[part][rows], labels[part][rows])
        for held, part, rows in (("validation", "train", slice(5000, 7500)), ("test", "test", slice(0, 5000)))
    }
    return lambda held, seed: splits[held]


def _as_tensors(x: NDArray, y: NDArray, x_held: NDArray, y_held: NDArray) -> Split:
    tensors = (torch.from_numpy(np.ascontiguousarray(array)) for array in (x, y, x_held, y_held))
    return Split(*(tensor.float() if tensor.is_floating_point() else tensor for tensor in tensors))


# --- Runs -------------------------------------------------------------------------------------------------------------


def train(configuration: Mapping[str, Any], source: Path | None) -> list[Any]:
    """Train once; returns a `Run`. The seed decides weights, order of the images and, for digits, which validate."""
    torch.set_num_threads(1)
    deciding, checking = tasks(source, configuration["digits_epochs"])
    every = [*deciding, *checking, *further_tasks(source)]
    task = next(task for task in every if task.name == configuration["task"])
    held, name, settings, seed = (configuration[key] for key in ("held", "optimizer", "settings", "seed"))
    start = time.process_time()
    split = task.split(held, seed)
    network = task.network(seed)
    optimizer = MAKERS[name](network.parameters(), **settings)
    accuracies = []
    steps_per_epoch = len(split.x) // BATCH_SIZE
    for k, batch in enumerate(data.batches(len(split.x), BATCH_SIZE, seed, task.epochs), start=1):
        rows = torch.from_numpy(batch)
        optimizer.zero_grad()
        loss = cross_entropy(network(split.x[rows]), split.y[rows])
        loss.backward()
        optimizer.step()
        if k % steps_per_epoch == 0:
            if not torch.isfinite(loss):
                break
            if k > (task.epochs - LAST_EPOCHS) * steps_per_epoch:
                accuracies.append(_evaluate(network, split.x_held, split.y_held)[1])
    training_loss = _evaluate(network, split.x, split.y)[0]
    if not np.isfinite(training_loss):
        training_loss, accuracies = float("inf"), [100.0 / data.DIGITS]
    return [
        task.name,
        held,
        name,
        json.dumps(settings),
        seed,
        float(f"{training_loss:.5g}"),
        round(accuracies[-1], 3),
        round(fmean(accuracies), 3),
        round(time.process_time() - start, 2),
    ]


@torch.no_grad()
def _evaluate(network: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss, and accuracy in percent."""
    logits = torch.cat([network(chunk) for chunk in x.split(500)])
    return cross_entropy(logits, y).item(), 100 * (logits.argmax(1) == y).double().mean().item()


class Runs:
    """All runs so far, and how to compute more."""

    def __init__(self, folder: Path, source: Path | None, budget: Budget, workers: int | None) -> None:
        self.budget = budget
        self._folder, self._source, self._workers = folder, source, workers
        self._runs: dict[tuple[str, str, str, str, int], Run] = {}

    def do(self, title: str, jobs: Sequence[tuple[Task, str, str, Settings, Sequence[int]]]) -> None:
        """Compute what has not run yet; a job is (task, held, optimizer, settings, seeds)."""
        configurations = [
            {
                "task": task.name,
                "data": data.fingerprint(*data.image_arrays(task.images, self._source)),
                "digits_epochs": self.budget.digits_epochs,
                "held": held,
                "optimizer": name,
                "settings": dict(settings),
                "seed": seed,
            }
            for task, held, name, settings, seeds in jobs
            for seed in seeds
        ]
        single = [
            Job("experiments.studies.defaults:train", each, ("indian_core", "indian_torch"), ("numpy", "torch"))
            for each in configurations
        ]
        for run in execute(single, self._folder / "runs", self._workers, title, {"source": self._source}):
            self._runs[Run(*run)[:5]] = Run(*run)

    def rows(self) -> list[dict[str, Any]]:
        """All runs so far, for a CSV file."""
        return [run._asdict() for run in self._runs.values()]

    def get(self, task: Task, held: str, name: str, settings: Settings, seeds: Iterable[int]) -> list[Run]:
        """The runs of one setting."""
        return [self._runs[task.name, held, name, json.dumps(settings), seed] for seed in seeds]

    def score(self, task: Task, name: str, settings: Settings, seeds: Iterable[int]) -> float:
        """What settings are compared by: validation accuracy, averaged over the last epochs and the seeds."""
        return fmean(run.accuracy_last_epochs for run in self.get(task, "validation", name, settings, seeds))


# --- Choosing ---------------------------------------------------------------------------------------------------------


def _tune(runs: Runs, task: Task) -> dict[str, Settings]:
    """The best settings of every optimizer for one task: random search, and the best few again on fresh seeds."""
    trials = {name: _trials(name, runs.budget.trials) for name in PEERS}
    runs.do(
        f"{task.name}: search",
        [(task, "validation", name, settings, task.seeds.search) for name in PEERS for settings in trials[name]],
    )
    best = {name: _ranked(runs, task, name, trials[name], task.seeds.search)[:CONFIRMED] for name in PEERS}
    runs.do(
        f"{task.name}: confirm",
        [(task, "validation", name, settings, task.seeds.confirm) for name in PEERS for settings in best[name]],
    )
    return {name: _ranked(runs, task, name, best[name], task.seeds.confirm)[0] for name in PEERS}


def _ranked(runs: Runs, task: Task, name: str, settings: Iterable[Settings], seeds: Sequence[int]) -> list[Settings]:
    """Settings, the best first."""
    return sorted(settings, key=lambda s: runs.score(task, name, s, seeds), reverse=True)


def _regrets(
    runs: Runs, tasks: Sequence[Task], settings: Sequence[Settings], stage: Callable[[Seeds], Sequence[int]]
) -> list[float]:
    """For each of INDIAN's settings, the percentage points it loses to the best of them on its worst task."""
    scores = np.array([[runs.score(task, "INDIAN", s, stage(task.seeds)) for task in tasks] for s in settings])
    return (scores.max(axis=0) - scores).max(axis=1).tolist()


def _choose(runs: Runs, tasks: Sequence[Task]) -> tuple[Settings, list[tuple[Settings, float]]]:
    """One default for all tasks, and the candidates with their regrets on the fresh seeds."""
    grid = runs.budget.grid()
    for task in tasks:
        runs.do(f"{task.name}: grid", [(task, "validation", "INDIAN", s, task.seeds.search) for s in grid])
    first = _regrets(runs, tasks, grid, lambda seeds: seeds.search)
    ranked = [settings for _, settings in sorted(zip(first, grid, strict=True), key=lambda pair: pair[0])]
    candidates = ranked[:CANDIDATES] + [s for s in (PAPER, PRIOR) if s not in ranked[:CANDIDATES]]
    for task in tasks:
        runs.do(f"{task.name}: candidates", [(task, "validation", "INDIAN", s, task.seeds.confirm) for s in candidates])
    regrets = _regrets(runs, tasks, candidates, lambda seeds: seeds.confirm)
    equal = [(s, regret) for s, regret in zip(candidates, regrets, strict=True) if regret <= min(regrets) + NOISE]
    # The product multiplies the gradient: the smaller it is, the stiffer a problem may be before steps diverge.
    chosen, _ = min(equal, key=lambda pair: (round(pair[0]["lr"] * pair[0]["beta"], 9), pair[1]))
    return chosen, sorted(zip(candidates, regrets, strict=True), key=lambda pair: pair[1])


# --- Reporting --------------------------------------------------------------------------------------------------------


def _text(settings: Settings) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in settings.items())


def _mean_and_deviation(values: Sequence[float], digits_shown: int) -> str:
    if not np.all(np.isfinite(values)):
        return "diverged"
    return f"{fmean(values):.{digits_shown}f} ± {stdev(values):.{digits_shown}f}"


def _candidates_table(candidates: Sequence[tuple[Settings, float]], runs: Runs, tasks: Sequence[Task]) -> str:
    lines = [
        "| INDIAN | regret on the worst task, points |" + "".join(f" {t.name}: validation % |" for t in tasks),
        "|---|---|" + "---|" * len(tasks),
    ]
    for settings, regret in candidates:
        scores = [runs.score(task, "INDIAN", settings, task.seeds.confirm) for task in tasks]
        lines.append(f"| {_text(settings)} | {regret:.2f} |" + "".join(f" {score:.2f} |" for score in scores))
    return "\n".join(lines)


def _final_table(rows: Mapping[str, Sequence[tuple[str, str, Settings]]], runs: Runs, tasks: Sequence[Task]) -> str:
    lines = ["| task | optimizer | | settings | training loss | test % |", "|---|---|---|---|---|---|"]
    for task in tasks:
        for name, kind, settings in rows[task.name]:
            found = runs.get(task, "test", name, settings, task.seeds.report)
            loss = _mean_and_deviation([run.training_loss for run in found], 4)
            accuracy = _mean_and_deviation([run.accuracy for run in found], 2)
            lines.append(f"| {task.name} | {name} | {kind} | {_text(settings)} | {loss} | {accuracy} |")
    return "\n".join(lines)


def _sensitivity(runs: Runs, task: Task, alpha: float) -> NDArray[np.float64]:
    """Validation accuracy on the grid at one α, rows lr, columns β."""
    scores = [runs.score(task, "INDIAN", settings, task.seeds.search) for settings in runs.budget.plane(alpha)]
    return np.array(scores).reshape(len(runs.budget.lr), len(runs.budget.beta))


def _sensitivity_table(scores: NDArray[np.float64], budget: Budget) -> str:
    lines = ["| lr \\ beta |" + "".join(f" {beta:g} |" for beta in budget.beta), "|---|" + "---|" * len(budget.beta)]
    for lr, row in zip(budget.lr, scores, strict=True):
        lines.append(f"| {lr:g} |" + "".join(f" {score:.1f} |" for score in row))
    return "\n".join(lines)


def redraw(folder: Path) -> None:
    """Draw the figure from the file of all runs in the folder."""
    rows = read_csv(folder / "runs.csv")
    reported: dict[str, list[tuple[str, list[float]]]] = {}
    for task in dict.fromkeys(row["task"] for row in rows if row["held"] == "test"):
        accuracies: dict[str, dict[str, list[float]]] = {name: {} for name in PEERS}
        for row in rows:
            if (row["task"], row["held"]) == (task, "test"):
                accuracies[row["optimizer"]].setdefault(row["settings"], []).append(float(row["accuracy"]))
        # The default ran before the tuned settings. They are one where they are the same.
        found = {name: list(by_settings.values()) for name, by_settings in accuracies.items()}
        reported[task] = [(f"{name}, default", found[name][0]) for name in PEERS]
        reported[task] += [(f"{name}, tuned", found[name][-1]) for name in PEERS]
    first = next(row for row in rows if (row["held"], row["optimizer"]) == ("test", "INDIAN"))
    chosen = json.loads(first["settings"])
    grids = {task: _grid_scores(rows, task, chosen["alpha"]) for task in reported}
    _figure(folder / "defaults", reported, {task: scores for task, scores in grids.items() if scores}, chosen)


def _grid_scores(rows: Sequence[Mapping[str, str]], task: str, alpha: float) -> dict[tuple[float, float], float]:
    """Validation accuracy by lr and β, on the grid at one α; empty for a task on which the grid was not searched."""
    seeds = (_SEEDS_OF_DIGITS if task == "digits" else _SEEDS_OF_FILES).search
    found: dict[str, list[float]] = {}
    for row in rows:
        if (row["task"], row["held"], row["optimizer"]) == (task, "validation", "INDIAN") and int(row["seed"]) in seeds:
            found.setdefault(row["settings"], []).append(float(row["accuracy_last_epochs"]))
    for budget in reversed(BUDGETS.values()):
        if all(json.dumps(settings) in found for settings in budget.grid()):
            return {(s["lr"], s["beta"]): fmean(found[json.dumps(s)]) for s in budget.plane(alpha)}
    return {}


def _figure(
    path: Path,
    reported: Mapping[str, Sequence[tuple[str, Sequence[float]]]],
    grids: Mapping[str, Mapping[tuple[float, float], float]],
    chosen: Settings,
) -> None:
    """Test accuracy of every optimizer on each task, and what INDIAN's learning rate and β change."""
    rows = len(reported) + len(grids)
    with drawing(path, rows=rows, height=2.7 * rows) as (_, axes):
        for axis, (task, found) in zip(axes.flat, reported.items(), strict=False):
            # As `styles` knows it.
            labels = [label.replace("SGD Nesterov", "SGD-Nesterov") for label, _ in found]
            drawn_as = styles(labels)
            for y, (label, (_, accuracies)) in enumerate(zip(labels, found, strict=True)):
                style = drawn_as[label]
                axis.plot(accuracies, [y] * len(accuracies), style.marker, color=style.colour, alpha=0.4, markersize=5)
                axis.plot(fmean(accuracies), y, "|", color=style.colour, markersize=16, markeredgewidth=2.5)
            axis.set_yticks(range(len(labels)), labels)
            # Down, and with room for the marks of the first and the last row.
            axis.set_ylim(len(labels) - 0.4, -0.6)
            axis.set(title=task, xlabel="test accuracy, %")
            axis.grid(axis="x", alpha=0.3)
        for axis, (task, scores) in zip(axes.flat[len(reported) :], grids.items(), strict=True):
            _draw_grid(axis, scores, chosen)
            axis.set_title(f"{task}: validation accuracy, %, of INDIAN with α = {chosen['alpha']:g}")


def _draw_grid(axis: Any, scores: Mapping[tuple[float, float], float], chosen: Settings) -> None:
    rates, betas = (list(dict.fromkeys(place[i] for place in scores)) for i in (0, 1))
    values = np.array(list(scores.values())).reshape(len(rates), len(betas))
    axis.imshow(values, vmin=values.max() - 10, vmax=values.max(), cmap="viridis", aspect="auto")
    for (i, j), score in np.ndenumerate(values):
        dark = score < values.max() - 5
        axis.text(j, i, f"{score:.1f}", ha="center", va="center", color="white" if dark else "black")
    axis.set_xticks(range(len(betas)), [f"{beta:g}" for beta in betas])
    axis.set_yticks(range(len(rates)), [f"{lr:g}" for lr in rates])
    corner = (betas.index(chosen["beta"]) - 0.5, rates.index(chosen["lr"]) - 0.5)
    axis.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="C3", linewidth=3))
    axis.set(xlabel="β", ylabel="learning rate")


def _configuration(budget: Budget, fingerprints: Mapping[str, str]) -> dict[str, object]:
    return {
        "batch_size": BATCH_SIZE,
        "budget": budget._asdict(),
        "confirmed": CONFIRMED,
        "candidates": CANDIDATES,
        "last_epochs": LAST_EPOCHS,
        "noise_points": NOISE,
        "trials_of": {name: _trials(name, budget.trials) for name in PEERS},
        "data": fingerprints,
        "versions": versions(["numpy", "torch", "indian"]),
        "threads": 1,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment, print its tables as Markdown, and write its figure and results."""
    options = parser("defaults", __doc__, ["data", "scale", "workers"], scales=tuple(BUDGETS)).parse_args(arguments)
    with comparison.explained():
        _run(options.data, BUDGETS[options.scale], options.output, options.workers)


def _run(source: Path | None, budget: Budget, folder: Path, workers: int | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ["digits"] if source is None else ["digits", "cifar10", "mnist"]
    fingerprints = {name: data.fingerprint(*data.image_arrays(name, source)) for name in names}
    write_json(folder / "configuration.json", _configuration(budget, fingerprints))
    runs = Runs(folder, source, budget, workers)
    deciding, checking = tasks(source, budget.digits_epochs)
    every = deciding + checking

    chosen, candidates = _choose(runs, deciding)
    tuned = {task.name: _tune(runs, task) for task in every}
    untuned = {name: peer.untuned or chosen for name, peer in PEERS.items()}
    rows = {
        task.name: [
            *((name, "default", untuned[name]) for name in PEERS),
            *((name, "tuned", tuned[task.name][name]) for name in PEERS),
        ]
        for task in every
    }
    for task in every:
        jobs = [(task, "test", name, settings, task.seeds.report) for name, _, settings in rows[task.name]]
        runs.do(f"{task.name}: report", jobs)

    tables = [f"Chosen default: {_text(chosen)}", _candidates_table(candidates, runs, deciding)]
    tables.append(_final_table(rows, runs, every))
    for task in deciding:
        scores = _sensitivity_table(_sensitivity(runs, task, chosen["alpha"]), budget)
        tables.append(f"{task.name}, alpha={chosen['alpha']:g}, validation %\n\n{scores}")
    report = "\n\n".join(tables)
    (folder / "table.md").write_text(report + "\n", encoding="utf-8")
    print(report)
    write_csv(folder / "runs.csv", runs.rows())
    redraw(folder)
    print(f"\nWritten to {folder}")
