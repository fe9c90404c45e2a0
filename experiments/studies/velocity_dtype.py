"""What a velocity in float32 buys for parameters in 16 bits, in PyTorch.

A perceptron learns handwritten digits with parameters, activations and gradients in bfloat16 or float16, and the
velocity in the same dtype or in float32; a run in float32 throughout is the measure. The peer is SGD with Nesterov
momentum, whose buffer has the dtype of the parameters, at settings with which its steps are INDIAN's but for rounding.
Run with::

    python -m experiments velocity_dtype
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.side_by_side import Report, machine
from experiments.lib import digits
from experiments.lib.command_line import parser
from experiments.lib.comparison import explained
from experiments.lib.curves import markdown_table, spread, write_csv, write_json
from experiments.lib.dots import draw_dots
from experiments.lib.runs import Job, configuration, execute
from experiments.lib.torch_networks import Perceptron
from indian_core import from_momentum_sgd
from indian_torch import INDIAN

__all__ = ["main"]

SGD_SETTINGS = ((0.01, 0.9), (0.001, 0.99), (0.0001, 0.999))
"""Learning rate and momentum of SGD. The weaker the friction, the smaller is a gradient beside the velocity."""
BATCH_SIZE = 32
EPOCHS = {"quick": 1, "standard": 20}
SEEDS = {"quick": 2, "standard": 5}
LIBRARIES = ("numpy", "scikit-learn", "torch")

Make = Callable[[list[nn.Parameter], float, float], torch.optim.Optimizer]


class Setting(NamedTuple):
    """One row of the table: the dtype of the network, and its optimizer for a learning rate and momentum of SGD."""

    name: str
    dtype: torch.dtype
    make: Make


def indian(velocity_dtype: torch.dtype | None) -> Make:
    """INDIAN with the steps of SGD with Nesterov momentum."""

    def make(params: list[nn.Parameter], learning_rate: float, momentum: float) -> torch.optim.Optimizer:
        lr, alpha, beta, speed = from_momentum_sgd(learning_rate, momentum, nesterov=True)
        return INDIAN(params, lr, alpha, beta, initial_speed=speed, velocity_dtype=velocity_dtype)

    return make


def sgd(params: list[nn.Parameter], learning_rate: float, momentum: float) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum."""
    return torch.optim.SGD(params, learning_rate, momentum, nesterov=True)


SETTINGS = [
    Setting("float32, INDIAN", torch.float32, indian(None)),
    Setting("float32, SGD", torch.float32, sgd),
    *(
        Setting(f"{name}, {optimizer}", dtype, make)
        for name, dtype in (("bfloat16", torch.bfloat16), ("float16", torch.float16))
        for optimizer, make in (
            ("INDIAN", indian(None)),
            ("INDIAN, velocity in float32", indian(torch.float32)),
            ("SGD", sgd),
        )
    ),
]


def run(job: Mapping[str, Any]) -> dict[str, float]:
    """The training loss after training, in float32; see `experiments.lib.runs.Job` for who calls it."""
    torch.set_num_threads(1)
    setting = next(setting for setting in SETTINGS if setting.name == job["setting"])
    seed = job["seed"]
    data = digits.load()
    images, labels = torch.from_numpy(data.x_train).to(setting.dtype), torch.from_numpy(data.y_train)
    model = Perceptron(seed, pixels=images[0].numel()).to(setting.dtype)
    optimizer = setting.make(list(model.parameters()), job["learning_rate"], job["momentum"])
    for batch in digits.batches(len(labels), BATCH_SIZE, job["epochs"], seed):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]).float(), labels[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        return {"training_loss": float(nn.functional.cross_entropy(model.float()(images.float()), labels))}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, print the table, and write it with a figure, all losses and the configuration."""
    made = parser("velocity_dtype", __doc__, ["seeds", "scale", "workers"], scales=tuple(EPOCHS))
    options = made.parse_args(arguments)
    epochs, seeds, folder = EPOCHS[options.scale], options.seeds or SEEDS[options.scale], options.output
    jobs = [
        Job(
            "experiments.studies.velocity_dtype:run",
            {"setting": setting.name, "learning_rate": rate, "momentum": momentum, "epochs": epochs, "seed": seed},
            libraries=LIBRARIES,
        )
        for setting in SETTINGS
        for rate, momentum in SGD_SETTINGS
        for seed in range(seeds)
    ]
    with explained():
        results = execute(jobs, folder / "runs", options.workers, "training")
    rows = [{**job.configuration, **result} for job, result in zip(jobs, results, strict=True)]
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        column = f"SGD's learning rate {row['learning_rate']:g}, momentum {row['momentum']:g}"
        found.setdefault(column, {}).setdefault(row["setting"], []).append(row["training_loss"])
    title = f"Training loss after {epochs} epochs, mean (lowest–highest) of {seeds} seeds"
    report = Report()
    report.add(f"{title}. {machine('torch')}.")
    cells = [[s.name, *(spread(losses[s.name], 4) for losses in found.values())] for s in SETTINGS]
    report.add(markdown_table(["", *found], cells))
    report.save(folder / "table.md")
    draw_dots(folder / "velocity_dtype.png", title, found, "training loss")
    write_csv(folder / "runs.csv", rows)
    settings = {
        "scale": options.scale,
        "epochs": epochs,
        "batch_size": BATCH_SIZE,
        "seeds": list(range(seeds)),
        "learning_rate_and_momentum_of_sgd": SGD_SETTINGS,
        "settings": [setting.name for setting in SETTINGS],
        "threads": 1,
    }
    write_json(
        folder / "configuration.json", configuration(settings, ["experiments.studies.velocity_dtype"], LIBRARIES)
    )
