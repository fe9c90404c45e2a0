"""What a velocity and the accumulator of a norm in bfloat16 cost in accuracy, in PyTorch.

A perceptron learns handwritten digits, with parameters in float32 and the state in float32 or bfloat16; and with
parameters, activations and gradients in bfloat16, and the state in bfloat16 or float32. Run with::

    python -m experiments low_precision_state
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
from indian_torch import INDIAN, INNAprop

__all__ = ["main"]

BATCH_SIZE = 32
EPOCHS = {"quick": 1, "standard": 20}
SEEDS = {"quick": 2, "standard": 5}

Make = Callable[..., torch.optim.Optimizer]


def _adagrad_norm(params: list[nn.Parameter], **dtypes: torch.dtype) -> torch.optim.Optimizer:
    return INDIAN(params, lr=0.02, norm="adagrad", **dtypes)  # type: ignore[arg-type]


METHODS: dict[str, Make] = {
    "INNAprop": INNAprop,
    "INDIAN, AdaGrad norm": _adagrad_norm,
    "INDIAN": INDIAN,
    "AdamW": torch.optim.AdamW,
}
"""With their default hyperparameters, but for the learning rate in the AdaGrad norm."""


class Setting(NamedTuple):
    """One row of the table: a method, the dtype of the network, and the dtypes of the state that are others."""

    method: str
    dtype: torch.dtype
    state: dict[str, torch.dtype]

    def __str__(self) -> str:
        names = {"velocity_dtype": "velocity", "norm_dtype": "accumulator"}
        others = [f"{names[key]} in {_name(dtype)}" for key, dtype in self.state.items()]
        return ", ".join([f"{_name(self.dtype)}: {self.method}", *others])


def _settings() -> list[Setting]:
    found = []
    for dtype, other in ((torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)):
        velocity, norm = {"velocity_dtype": other}, {"norm_dtype": other}
        for method in METHODS:
            found.append(Setting(method, dtype, {}))
            if method != "AdamW":
                found.append(Setting(method, dtype, velocity))
            if method in ("INNAprop", "INDIAN, AdaGrad norm"):
                found += [Setting(method, dtype, norm), Setting(method, dtype, velocity | norm)]
    return found


def train(setting: Setting, epochs: int, seed: int) -> tuple[float, float]:
    """Training loss and test accuracy after training, computed in float32."""
    data = digits.load()
    images, labels = torch.from_numpy(data.x_train).to(setting.dtype), torch.from_numpy(data.y_train)
    model = Perceptron(seed, pixels=images[0].numel()).to(setting.dtype)
    optimizer = METHODS[setting.method](list(model.parameters()), **setting.state)
    for batch in digits.batches(len(labels), BATCH_SIZE, epochs, seed):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]).float(), labels[batch]).backward()
        optimizer.step()
    model.float()
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model(images.float()), labels)
        right = model(torch.from_numpy(data.x_test).float()).argmax(1) == torch.from_numpy(data.y_test)
    return float(loss), float(right.float().mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment and print its table."""
    options = parser("low_precision_state", __doc__, ["seeds", "scale"], scales=tuple(EPOCHS)).parse_args(arguments)
    epochs, seeds = EPOCHS[options.scale], options.seeds or SEEDS[options.scale]
    report = Report()
    title = f"After {epochs} epochs; mean (lowest–highest) of {seeds} seeds"
    report.add(f"{title}. {machine('torch')}.")
    lines = ["| network: method, state that differs | training loss | test accuracy |", "|---|---|---|"]
    settings = _settings()
    with tqdm(total=len(settings) * seeds, disable=None) as bar:
        for setting in settings:
            results = []
            for seed in range(seeds):
                results.append(train(setting, epochs, seed))
                bar.update()
            losses, accuracies = zip(*results, strict=True)
            cells = [_summary(losses, 4), _summary(accuracies, 3)]
            lines.append(f"| {setting} | " + " | ".join(cells) + " |")
    report.add("\n".join(lines))
    options.output.mkdir(parents=True, exist_ok=True)
    report.save(options.output / "table.md")


def _summary(values: Sequence[float], digits_shown: int) -> str:
    mean, low, high = (f"{value:.{digits_shown}f}" for value in (np.mean(values), min(values), max(values)))
    return f"{mean} ({low}–{high})"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
