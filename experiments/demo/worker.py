"""One framework's share of the demo, in a process of its own; `experiments.demo.processes` starts it."""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.optimizers import OPTIMIZERS
from experiments.demo.task import NETWORK, Task
from experiments.demo.training import train
from experiments.lib.processes import end_with_stdin
from experiments.lib.trainers import trainer


def main(arguments: Sequence[str]) -> None:
    """Train with every optimizer in one framework, and write each run to ``FOLDER/FRAMEWORK-OPTIMIZER.npz``.

    Prints a line for every sign of progress: the optimizer, a tab, and how many steps it has taken. Ends early when its
    standard input ends.
    """
    end_with_stdin()
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("task", help="the attributes of the Task, as JSON")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    task = Task(**json.loads(options.task))
    for title, optimizer in OPTIMIZERS.items():
        weights, hyperparameters = NETWORK.initial_weights(task.seed), optimizer.in_torch_names()
        model = trainer(options.framework, NETWORK, weights, optimizer.name, hyperparameters, task.dtype)
        run = train(model, hyperparameters["lr"], task, partial(_print_progress, title))
        run.save(options.folder / f"{options.framework}-{title}.npz")


def _print_progress(optimizer: str, step: int) -> None:
    print(f"{optimizer}\t{step}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
