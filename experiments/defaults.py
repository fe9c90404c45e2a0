"""Which learning rate, α and β are good defaults? A search with the same budget for INDIAN and its peers, in PyTorch.

The tasks, the rule and what came of it are in docs/defaults.md. Run with::

    python -m experiments.defaults --data CIFAR10.npz --check MNIST.npz

Without ``--data`` the digits alone decide; without ``--check`` there is no task that had no part in the choice. A file
holds ``x_train``, ``y_train``, ``x_test``, ``y_test`` with 8-bit images. Every run is appended to ``runs.csv`` at once;
started again, the program goes on where it stopped.
"""

import argparse
import csv
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, Optimizer
from tqdm import tqdm

from experiments import digits
from experiments.torch_networks import DigitsNet, NarrowNetworkInNetwork, Perceptron
from indian_torch import INDIAN

matplotlib.use("Agg")
import matplotlib.pyplot as plt

__all__ = ["main"]

BATCH_SIZE = 32
TRIALS = 14  # of the random search, for each optimizer and task
CONFIRMED = 2  # best trials of an optimizer and task that run again on fresh seeds
CANDIDATES = 4  # best points of the grid that run again on fresh seeds
LAST_EPOCHS = 2  # over whose ends the validation accuracy is averaged
NOISE = 0.5  # percentage points below which two settings count as equal

GRID_LR = (0.05, 0.1, 0.2, 0.5)
GRID_ALPHA = (0.1, 0.25, 0.5, 1.0)
GRID_BETA = (0.1, 0.2, 0.4, 0.8, 1.6)
PAPER = {"lr": 0.1, "alpha": 0.5, "beta": 0.1}
PRIOR = {"lr": 0.1, "alpha": 0.5, "beta": 0.4}  # the best of a small probe on one seed, made before this experiment

Settings = Mapping[str, float]


class Seeds(NamedTuple):
    """Seeds of the three stages; no two stages share one."""

    search: tuple[int, ...]
    confirm: tuple[int, ...]
    report: tuple[int, ...]


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
    seconds: float


# --- Optimizers -------------------------------------------------------------------------------------------------------


def _log_uniform(generator: np.random.Generator, low: float, high: float) -> float:
    return float(f"{np.exp(generator.uniform(np.log(low), np.log(high))):.3g}")


def _momentum(generator: np.random.Generator) -> float:
    return round(1 - _log_uniform(generator, 0.01, 0.5), 4)


PEERS: dict[str, Peer] = {
    "INDIAN": Peer(
        INDIAN,
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


def _trials(name: str) -> list[Settings]:
    """The settings that the search tries for an optimizer: the same ones on every task."""
    generator = np.random.default_rng(list(PEERS).index(name))
    fixed = list(PEERS[name].fixed)
    return fixed + [PEERS[name].draw(generator) for _ in range(TRIALS - len(fixed))]


def _grid(alphas: Iterable[float] = GRID_ALPHA) -> list[Settings]:
    return [{"lr": lr, "alpha": alpha, "beta": beta} for alpha in alphas for lr in GRID_LR for beta in GRID_BETA]


# --- Tasks ------------------------------------------------------------------------------------------------------------


def _tasks(data: Path | None, check: Path | None) -> tuple[list[Task], list[Task]]:
    """The tasks that decide, and those that only check."""
    deciding = [Task("digits", _digits_network, _digits_split, 10, Seeds((0, 1), (2, 3, 4), (10, 11, 12, 13, 14)))]
    checking = []
    if data is not None:
        split = _file_split(data, colour=True)
        deciding.append(Task("colour", NarrowNetworkInNetwork, split, 5, Seeds((0,), (1, 2), (10, 11, 12))))
    if check is not None:
        split = _file_split(check, colour=False)
        network = partial(Perceptron, pixels=split("test", 0).x[0].numel())
        checking.append(Task("perceptron", network, split, 5, Seeds((0,), (1, 2), (10, 11, 12))))
    return deciding, checking


def _digits_network(seed: int) -> nn.Module:
    return DigitsNet(digits.initial_weights(seed))


def _digits_split(held: str, seed: int) -> Split:
    """Test: the demo's split. Validation: a fifth of its training images, others for every seed."""
    data = digits.load()
    if held == "test":
        return _as_tensors(*data)
    order = np.random.default_rng([seed, 1]).permutation(len(data.y_train))
    kept, left_out = np.split(order, [len(order) * 4 // 5])
    return _as_tensors(data.x_train[kept], data.y_train[kept], data.x_train[left_out], data.y_train[left_out])


def _file_split(path: Path, *, colour: bool) -> Callable[[str, int], Split]:
    """5000 training images; validation: the next 2500; test: the first 5000 test images.

    Colour images are halved in size by averaging, and standardized by channel.
    """
    with np.load(path) as file:
        images = {part: file[f"x_{part}"][:7500].astype(np.float64) / 255 for part in ("train", "test")}
        labels = {part: file[f"y_{part}"][:7500].astype(np.int64) for part in ("train", "test")}
    if colour:
        mean, deviation = images["train"].mean((0, 1, 2)), images["train"].std((0, 1, 2))
        for part, x in images.items():
            n, height, width, channels = x.shape
            halved = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
            images[part] = (halved - mean) / deviation
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


def _train(task: Task, held: str, name: str, settings: Settings, seed: int) -> Run:
    """Train once. The seed decides weights, order of the images and, for the digits, which ones validate."""
    start = time.perf_counter()
    split = task.split(held, seed)
    network = task.network(seed)
    optimizer = PEERS[name].make(network.parameters(), **settings)
    accuracies = []
    steps_per_epoch = len(split.x) // BATCH_SIZE
    for k, batch in enumerate(digits.batches(len(split.x), BATCH_SIZE, task.epochs, seed), start=1):
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
        training_loss, accuracies = float("inf"), [100.0 / digits.CLASSES]
    return Run(
        task.name,
        held,
        name,
        json.dumps(settings),
        seed,
        float(f"{training_loss:.5g}"),
        round(accuracies[-1], 3),
        round(fmean(accuracies), 3),
        round(time.perf_counter() - start, 2),
    )


@torch.no_grad()
def _evaluate(network: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss, and accuracy in percent."""
    logits = torch.cat([network(chunk) for chunk in x.split(500)])
    return cross_entropy(logits, y).item(), 100 * (logits.argmax(1) == y).double().mean().item()


class Runs:
    """All runs so far, kept in a CSV file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runs: dict[tuple[str, str, str, str, int], Run] = {}
        if path.exists():
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    run = Run(**{name: kind(row[name]) for name, kind in Run.__annotations__.items()})
                    self._runs[run[:5]] = run
        else:
            with path.open("w", newline="") as file:
                csv.writer(file).writerow(Run._fields)

    def do(self, title: str, jobs: Sequence[tuple[Task, str, str, Settings, Sequence[int]]]) -> None:
        """Run what has not run yet; a job is (task, held, optimizer, settings, seeds)."""
        single = {
            (task.name, held, name, json.dumps(settings), seed): (task, held, name, settings, seed)
            for task, held, name, settings, seeds in jobs
            for seed in seeds
        }
        for key, job in tqdm([item for item in single.items() if item[0] not in self._runs], desc=title, mininterval=5):
            run = _train(*job)
            self._runs[key] = run
            with self._path.open("a", newline="") as file:
                csv.writer(file).writerow(run)

    def get(self, task: Task, held: str, name: str, settings: Settings, seeds: Iterable[int]) -> list[Run]:
        """The runs of one setting."""
        return [self._runs[task.name, held, name, json.dumps(settings), seed] for seed in seeds]

    def score(self, task: Task, name: str, settings: Settings, seeds: Iterable[int]) -> float:
        """What settings are compared by: validation accuracy, averaged over the last epochs and the seeds."""
        return fmean(run.accuracy_last_epochs for run in self.get(task, "validation", name, settings, seeds))


# --- Choosing ---------------------------------------------------------------------------------------------------------


def _tune(runs: Runs, task: Task) -> dict[str, Settings]:
    """The best settings of every optimizer for one task: random search, and the best few again on fresh seeds."""
    runs.do(
        f"{task.name}: search",
        [(task, "validation", name, settings, task.seeds.search) for name in PEERS for settings in _trials(name)],
    )
    best = {name: _ranked(runs, task, name, _trials(name), task.seeds.search)[:CONFIRMED] for name in PEERS}
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
    grid = _grid()
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
    scores = [runs.score(task, "INDIAN", settings, task.seeds.search) for settings in _grid([alpha])]
    return np.array(scores).reshape(len(GRID_LR), len(GRID_BETA))


def _sensitivity_table(scores: NDArray[np.float64]) -> str:
    lines = ["| lr \\ beta |" + "".join(f" {beta:g} |" for beta in GRID_BETA), "|---|" + "---|" * len(GRID_BETA)]
    for lr, row in zip(GRID_LR, scores, strict=True):
        lines.append(f"| {lr:g} |" + "".join(f" {score:.1f} |" for score in row))
    return "\n".join(lines)


def _figure(
    path: Path,
    rows: Mapping[str, Sequence[tuple[str, str, Settings]]],
    runs: Runs,
    deciding: Sequence[Task],
    tasks: Sequence[Task],
    chosen: Settings,
) -> None:
    columns = max(len(tasks), len(deciding))
    figure, axes = plt.subplots(2, columns, figsize=(4.2 * columns, 7.2), squeeze=False, layout="constrained")
    for axis, task in zip(axes[0], tasks, strict=False):
        for y, (name, _, settings) in enumerate(rows[task.name]):
            accuracies = [run.accuracy for run in runs.get(task, "test", name, settings, task.seeds.report)]
            colour = "C3" if name == "INDIAN" else "C0"
            axis.plot(accuracies, [y] * len(accuracies), "o", color=colour, alpha=0.35, markersize=4)
            axis.plot(fmean(accuracies), y, "|", color=colour, markersize=16, markeredgewidth=2.5)
        axis.set_yticks(range(len(rows[task.name])), [f"{name}, {kind}" for name, kind, _ in rows[task.name]])
        axis.invert_yaxis()
        axis.set(title=task.name, xlabel="test accuracy, %")
        axis.grid(axis="x", alpha=0.3)
    for axis, task in zip(axes[1], deciding, strict=False):
        scores = _sensitivity(runs, task, chosen["alpha"])
        axis.imshow(scores, vmin=scores.max() - 10, vmax=scores.max(), cmap="viridis", aspect="auto")
        for (i, j), score in np.ndenumerate(scores):
            dark = score < scores.max() - 5
            axis.text(j, i, f"{score:.1f}", ha="center", va="center", color="white" if dark else "black")
        axis.set_xticks(range(len(GRID_BETA)), [f"{beta:g}" for beta in GRID_BETA])
        axis.set_yticks(range(len(GRID_LR)), [f"{lr:g}" for lr in GRID_LR])
        axis.add_patch(
            plt.Rectangle(
                (GRID_BETA.index(chosen["beta"]) - 0.5, GRID_LR.index(chosen["lr"]) - 0.5),
                *(1, 1),
                fill=False,
                edgecolor="C3",
                linewidth=3,
            )
        )
        axis.set(title=f"{task.name}: validation %, α = {chosen['alpha']:g}", xlabel="β", ylabel="learning rate")
    for axis in (*axes[0, len(tasks) :], *axes[1, len(deciding) :]):
        axis.axis("off")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _configuration() -> dict[str, object]:
    return {
        "batch_size": BATCH_SIZE,
        "trials": TRIALS,
        "confirmed": CONFIRMED,
        "candidates": CANDIDATES,
        "last_epochs": LAST_EPOCHS,
        "noise_points": NOISE,
        "grid": {"lr": GRID_LR, "alpha": GRID_ALPHA, "beta": GRID_BETA},
        "trials_of": {name: _trials(name) for name in PEERS},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": 1,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Run the experiment, print its tables as Markdown, and write its figure and results.

    Args:
        argv: Command-line arguments.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments.defaults", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="colour images (CIFAR-10) as .npz: the second task that decides")
    parser.add_argument("--check", type=Path, help="grey images (MNIST) as .npz: a task that only checks the choice")
    parser.add_argument("--output", type=Path, default=Path("output/defaults"), help="folder of the results")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "configuration.json").write_text(json.dumps(_configuration(), indent=1) + "\n")
    runs = Runs(arguments.output / "runs.csv")
    deciding, checking = _tasks(arguments.data, arguments.check)
    tasks = deciding + checking
    _print_estimate(deciding, checking)

    chosen, candidates = _choose(runs, deciding)
    print(f"\nChosen default: {_text(chosen)}\n", flush=True)
    tuned = {task.name: _tune(runs, task) for task in tasks}
    untuned = {name: peer.untuned or chosen for name, peer in PEERS.items()}
    rows = {
        task.name: [
            *((name, "default", untuned[name]) for name in PEERS),
            *((name, "tuned", tuned[task.name][name]) for name in PEERS),
        ]
        for task in tasks
    }
    for task in tasks:
        jobs = [(task, "test", name, settings, task.seeds.report) for name, _, settings in rows[task.name]]
        runs.do(f"{task.name}: report", jobs)

    tables = [_candidates_table(candidates, runs, deciding), _final_table(rows, runs, tasks)]
    for task in deciding:
        scores = _sensitivity(runs, task, chosen["alpha"])
        tables.append(f"{task.name}, alpha={chosen['alpha']:g}, validation %\n\n{_sensitivity_table(scores)}")
    report = f"Chosen default: {_text(chosen)}\n\n" + "\n\n".join(tables) + "\n"
    (arguments.output / "tables.md").write_text(report)
    print(report)
    _figure(arguments.output / "defaults.png", rows, runs, deciding, tasks, chosen)


def _print_estimate(deciding: Sequence[Task], checking: Sequence[Task]) -> None:
    total = 0.0
    _train(deciding[0], "validation", "INDIAN", PRIOR, 0)  # PyTorch's first steps are slow
    for task in (*deciding, *checking):
        seconds = _train(task, "validation", "INDIAN", PRIOR, 0).seconds
        n_search, n_confirm, n_report = map(len, task.seeds)
        count = len(PEERS) * (TRIALS * n_search + CONFIRMED * n_confirm + 2 * n_report)
        if task in deciding:
            count += len(_grid()) * n_search + (CANDIDATES + 2) * n_confirm
        total += count * seconds
        print(f"{task.name}: at most {count} runs of {seconds:.1f} s", flush=True)
    print(f"at most {total / 60:.0f} minutes\n", flush=True)


if __name__ == "__main__":
    main()
