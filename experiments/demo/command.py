"""The command line of the demo."""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

import experiments.demo
from experiments.demo.figure import draw
from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.optimizers import EPSILON_IN_ADAM, OPTIMIZERS, describe
from experiments.demo.processes import FrameworkError, run_frameworks
from experiments.demo.tables import Runs, distance_table, result_table, write_csv
from experiments.demo.task import BATCH_SIZE, DTYPES, Task
from experiments.demo.training import RECORD_EVERY
from experiments.lib.command_line import Parser, whole_number
from experiments.lib.curves import write_json
from experiments.lib.runs import configuration
from experiments.lib.trainers import MODULES

__all__ = ["main"]


def main(arguments: Sequence[str]) -> None:
    """Train, print tables, and write a figure, CSV files and the configuration."""
    options = _parse(arguments)
    frameworks = list(FRAMEWORKS) if options.framework == "all" else [options.framework]
    _require(frameworks)
    task = Task(options.epochs, options.seed, options.dtype)
    print(_headline(task))
    try:
        runs = _train(frameworks, task)
    except FrameworkError as error:
        sys.exit(str(error))
    options.output.mkdir(parents=True, exist_ok=True)
    figure = options.output / "demo.png"
    draw(runs, figure)
    settings = options.output / "configuration.json"
    write_json(settings, _configuration(frameworks, task))
    files = [figure, *write_csv(runs, options.output), settings]
    print(_summary(runs, task))
    print("Written: " + ", ".join(map(str, files)))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m experiments demo", description=experiments.demo.__doc__)
    parser.add_argument("--framework", choices=[*FRAMEWORKS, "all"], default="all", help="default: %(default)s")
    parser.add_argument("--epochs", type=whole_number(1), default=15, help="default: %(default)s")
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="of initial weights and batches; default: %(default)s"
    )
    parser.add_argument("--dtype", choices=DTYPES, default="float64", help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path("results/demo"), help="folder of the results; default: %(default)s"
    )
    return parser.parse_args(arguments)


def _require(frameworks: Sequence[str]) -> None:
    """Exit with a message that says what to install unless every framework is installed."""
    missing = [
        f"{FRAMEWORKS[name].title} cannot be used, because {' and '.join(modules)} "
        f"{'is' if len(modules) == 1 else 'are'} not installed; install with: "
        f"pip install 'indian[{FRAMEWORKS[name].extra}]'"
        for name in frameworks
        if (modules := FRAMEWORKS[name].missing())
    ]
    if missing:
        usable = [name for name, framework in FRAMEWORKS.items() if not framework.missing()]
        hints = [f"Installed, and enough for: --framework {name}" for name in usable]
        sys.exit("\n".join([*missing, *hints]))


def _train(frameworks: Sequence[str], task: Task) -> Runs:
    """Train in all frameworks behind one progress bar."""
    taken: defaultdict[tuple[str, str], int] = defaultdict(int)
    doing = dict.fromkeys(frameworks, "starting")
    with (
        tqdm(
            total=len(frameworks) * len(OPTIMIZERS) * task.steps(),
            unit="step",
            dynamic_ncols=True,
            # In a log every refresh is a line.
            mininterval=0.1 if sys.stderr.isatty() else 10,
        ) as bar,
        tempfile.TemporaryDirectory() as folder,
    ):

        def show() -> None:
            bar.set_postfix({FRAMEWORKS[name].title: state for name, state in doing.items()}, refresh=False)

        def report(framework: str, optimizer: str, step: int) -> None:
            doing[framework] = "done" if (optimizer, step) == (list(OPTIMIZERS)[-1], task.steps()) else optimizer
            show()
            bar.update(step - taken[framework, optimizer])
            taken[framework, optimizer] = step

        show()
        bar.refresh()
        return run_frameworks(frameworks, task, Path(folder), report)


def _headline(task: Task) -> str:
    return (
        f"Digits: {len(task.training_data().labels)} training and {len(task.test_data().labels)} test images; "
        f"{task.epochs} epochs of {task.steps_per_epoch()} steps, batch size {BATCH_SIZE}, {task.dtype}, "
        f"seed {task.seed}."
    )


def _configuration(frameworks: Sequence[str], task: Task) -> dict[str, Any]:
    settings = {
        "epochs": task.epochs,
        "seed": task.seed,
        "dtype": task.dtype,
        "batch_size": BATCH_SIZE,
        "frameworks": list(frameworks),
        "optimizers": {name: optimizer.hyperparameters for name, optimizer in OPTIMIZERS.items()},
    }
    used = [FRAMEWORKS[name] for name in frameworks]
    modules = [module for framework in used for module in framework.modules]
    return configuration(settings, [MODULES[framework] for framework in frameworks], ["numpy", *modules])


def _summary(runs: Runs, task: Task) -> str:
    parts = [result_table(runs)]
    frameworks = next(iter(runs.values()))
    if len(frameworks) > 1:
        run = next(iter(frameworks.values()))
        parts.append(
            "Largest distance between the trajectories of two frameworks, ‖θ − θ′‖ / max(‖θ‖, ‖θ′‖), with all "
            f"{run.trajectory.shape[1]} parameters as\none vector, over the {len(run.recorded_steps)} recorded steps "
            f"(0, every {RECORD_EVERY}th, and the last, {task.steps()}):"
        )
        parts.append(distance_table(runs))
        if "keras" in frameworks:
            parts.append(f"{EPSILON_IN_ADAM}:\nwith the same hyperparameters they are two slightly different methods.")
    else:
        parts.append("One framework was trained, so there is no trajectory to compare its own with.")
    parts.append("\n".join(["Hyperparameters, not tuned for this comparison:", *("  " + describe(o) for o in runs)]))
    return "\n" + "\n\n".join(parts) + "\n"
