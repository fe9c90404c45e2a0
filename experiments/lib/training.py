"""One training run, in any framework, from a configuration to its curves.

Times are CPU seconds of the process (`time.process_time`), which has one thread: they do not grow when the machine is
shared or the process paused. They count the steps alone, evaluations not; in JAX and Keras the compilation is in the
first step.
"""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.lib import data
from experiments.lib.networks.architectures import describe
from experiments.lib.optimizers import OURS
from experiments.lib.runs import Job
from experiments.lib.trainers import LIBRARIES, MODULES, trainer

__all__ = ["factor", "job", "train"]

_ADAPTERS = {"torch": "indian_torch", "keras": "indian_tf", "jax": "indian_jax"}


def job(configuration: Mapping[str, Any]) -> Job:
    """A run for `experiments.lib.runs.execute`, whose resource ``source`` is what the user named with ``--data``."""
    framework = configuration["framework"]
    ours = ("indian_core", _ADAPTERS[framework]) if configuration["optimizer"] in OURS else ()
    libraries = ("numpy", *LIBRARIES[framework])
    return Job("experiments.lib.training:train", configuration, (MODULES[framework], *ours), libraries)


def train(configuration: Mapping[str, Any], source: Path | None) -> dict[str, Any]:
    """Train once.

    Args:
        configuration: With these keys:

            - data: what `experiments.lib.data.images` or `experiments.lib.data.text` returned
            - network: name and sizes
            - framework: "torch", "keras" or "jax"
            - optimizer: a name in `experiments.lib.optimizers`
            - hyperparameters: in PyTorch's names, ``lr`` among them
            - schedule: see `factor`
            - batch_size, steps: numbers
            - seed: of the initial weights and of the order of the batches
            - evaluate: after every how many steps ("every"), and on how many examples of each part ("training",
              "validation", "test"); a part that is not named is not evaluated
        source: What the user named with ``--data``.

    Returns:
        ``step``, ``cpu_seconds`` and, for every part that is evaluated, ``PART_loss`` and ``PART_accuracy``: lists with
        an entry for the start and for every evaluation. ``diverged``: whether a loss became infinite or no number,
        which ends the run.
    """
    parts, classes = data.load(configuration["data"], source)
    training = parts["training"]
    evaluate = {part: parts[part].spread(n) for part, n in configuration["evaluate"].items() if part != "every"}
    input_shape = training.spread(1)[0].shape[1:]
    optimizer, hyperparameters = configuration["optimizer"], configuration["hyperparameters"]
    network, seed = describe(configuration["network"], input_shape, classes), configuration["seed"]
    weights, steps = network.initial_weights(seed), configuration["steps"]
    model = trainer(configuration["framework"], network, weights, optimizer, hyperparameters)
    curves: dict[str, list[float]] = {}
    seconds = 0.0

    def record(step: int) -> bool:
        """Whether all is finite."""
        point: dict[str, float] = {"step": step, "cpu_seconds": round(seconds, 3)}
        for part, examples in evaluate.items():
            loss, accuracy = model.evaluate(*examples)
            point |= {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
        for name, value in point.items():
            curves.setdefault(name, []).append(value)
        return all(map(math.isfinite, point.values()))

    fine = record(0)
    order = data.batches(len(training), configuration["batch_size"], seed)
    for step in range(1, steps + 1):
        batch = training.take(next(order))
        rate = hyperparameters["lr"] * factor(configuration["schedule"], step - 1, steps)
        start = time.process_time()
        fine = math.isfinite(model.step(*batch, rate)) and fine
        seconds += time.process_time() - start
        if fine and (step % configuration["evaluate"]["every"] == 0 or step == steps):
            fine = record(step)
        if not fine:
            break
    return {**curves, "diverged": not fine}


def factor(schedule: Mapping[str, Any], step: int, steps: int) -> float:
    """What a schedule multiplies the learning rate of a step with; the first step is 0.

    Args:
        schedule: ``{"kind": "constant"}``; ``{"kind": "power", "exponent": q}``, which is (k + 1)^(−q); or
            ``{"kind": "cosine", "warmup": share}``: linear growth over this share of the steps, then a cosine to 0. A
            constant one may have a ``warmup``, too.
        step: Which.
        steps: How many there are.

    Raises:
        ValueError: There is no such kind.

    Example:
        >>> [round(factor({"kind": "cosine", "warmup": 0.2}, k, 10), 3) for k in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.038]
        >>> factor({"kind": "power", "exponent": 0.5}, 3, 10)
        0.5
    """
    warmup = round(schedule.get("warmup", 0.0) * steps)
    match schedule["kind"]:
        case "constant":
            return (step + 1) / warmup if step < warmup else 1.0
        case "power":
            return (step + 1) ** -schedule["exponent"]
        case "cosine":
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
    raise ValueError(f"there is no schedule of the kind {schedule['kind']!r}")
