"""What a velocity in float32 buys for parameters in 16 bits, in PyTorch.

A perceptron learns handwritten digits with parameters, activations and gradients in bfloat16 or float16, and the
velocity in the same dtype or in float32; a run in float32 throughout is the measure. The peer is SGD with Nesterov
momentum, whose buffer has the dtype of the parameters, at settings with which its steps are INDIAN's but for rounding.
Run with::

    python -m experiments velocity_dtype
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from benchmarks.side_by_side import Report, machine
from experiments import digits
from experiments.command_line import parser
from experiments.torch_networks import Perceptron
from indian_core import from_momentum_sgd
from indian_torch import INDIAN

__all__ = ["main"]

SGD_SETTINGS = ((0.01, 0.9), (0.001, 0.99), (0.0001, 0.999))
"""Learning rate and momentum of SGD. The weaker the friction, the smaller is a gradient beside the velocity."""
BATCH_SIZE = 32
EPOCHS = {"quick": 1, "standard": 20}
SEEDS = {"quick": 2, "standard": 5}

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


def final_loss(setting: Setting, learning_rate: float, momentum: float, epochs: int, seed: int) -> float:
    """The training loss after training, in float32."""
    data = digits.load()
    images, labels = torch.from_numpy(data.x_train).to(setting.dtype), torch.from_numpy(data.y_train)
    model = Perceptron(seed, pixels=images[0].numel()).to(setting.dtype)
    optimizer = setting.make(list(model.parameters()), learning_rate, momentum)
    for batch in digits.batches(len(labels), BATCH_SIZE, epochs, seed):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]).float(), labels[batch]).backward()
        optimizer.step()
    with torch.no_grad():
        return float(nn.functional.cross_entropy(model.float()(images.float()), labels))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment and print its table."""
    options = parser("velocity_dtype", __doc__, ["seeds", "scale"], scales=tuple(EPOCHS)).parse_args(arguments)
    epochs, seeds = EPOCHS[options.scale], options.seeds or SEEDS[options.scale]
    report = Report()
    title = f"Training loss after {epochs} epochs, mean (lowest–highest) of {seeds} seeds"
    report.add(f"{title}. {machine('torch')}.")
    columns = [f"SGD's learning rate {rate:g}, momentum {momentum:g}" for rate, momentum in SGD_SETTINGS]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    with tqdm(total=len(SETTINGS) * len(SGD_SETTINGS) * seeds, disable=None) as bar:
        for setting in SETTINGS:
            cells = []
            for rate, momentum in SGD_SETTINGS:
                losses = []
                for seed in range(seeds):
                    losses.append(final_loss(setting, rate, momentum, epochs, seed))
                    bar.update()
                cells.append(f"{np.mean(losses):.4f} ({min(losses):.4f}–{max(losses):.4f})")
            lines.append(f"| {setting.name} | " + " | ".join(cells) + " |")
    report.add("\n".join(lines))
    options.output.mkdir(parents=True, exist_ok=True)
    report.save(options.output / "table.md")
