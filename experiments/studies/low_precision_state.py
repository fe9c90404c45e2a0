"""What a velocity and the accumulator of a norm in bfloat16 cost in accuracy, in PyTorch.

A perceptron learns handwritten digits, with parameters in float32 and the state in float32 or bfloat16; and with
parameters, activations and gradients in bfloat16, and the state in bfloat16 or float32. Run with::

    python -m experiments low_precision_state
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
from indian_torch import INDIAN, INNAprop

__all__ = ["main"]

BATCH_SIZE = 32
EPOCHS = {"quick": 1, "standard": 20}
SEEDS = {"quick": 2, "standard": 5}
LIBRARIES = ("numpy", "scikit-learn", "torch")

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


def run(job: Mapping[str, Any]) -> dict[str, float]:
    """Training loss and test accuracy after training, in float32; see `experiments.lib.runs.Job` for who calls it."""
    torch.set_num_threads(1)
    setting = next(setting for setting in _settings() if str(setting) == job["setting"])
    data = digits.load()
    images, labels = torch.from_numpy(data.x_train).to(setting.dtype), torch.from_numpy(data.y_train)
    model = Perceptron(job["seed"], pixels=images[0].numel()).to(setting.dtype)
    optimizer = METHODS[setting.method](list(model.parameters()), **setting.state)
    for batch in digits.batches(len(labels), BATCH_SIZE, job["epochs"], job["seed"]):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]).float(), labels[batch]).backward()
        optimizer.step()
    model.float()
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model(images.float()), labels)
        right = model(torch.from_numpy(data.x_test).float()).argmax(1) == torch.from_numpy(data.y_test)
    return {"training_loss": float(loss), "test_accuracy": float(right.float().mean())}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, print the table, and write it with a figure, all runs and the configuration."""
    made = parser("low_precision_state", __doc__, ["seeds", "scale", "workers"], scales=tuple(EPOCHS))
    options = made.parse_args(arguments)
    epochs, seeds, folder = EPOCHS[options.scale], options.seeds or SEEDS[options.scale], options.output
    settings = _settings()
    jobs = [
        Job(
            "experiments.studies.low_precision_state:run",
            {"setting": str(setting), "epochs": epochs, "seed": seed},
            libraries=LIBRARIES,
        )
        for setting in settings
        for seed in range(seeds)
    ]
    with explained():
        results = execute(jobs, folder / "runs", options.workers, "training")
    rows = [{**job.configuration, **result} for job, result in zip(jobs, results, strict=True)]

    def ends(setting: Setting, quantity: str) -> list[float]:
        return [row[quantity] for row in rows if row["setting"] == str(setting)]

    title = f"After {epochs} epochs; mean (lowest–highest) of {seeds} seeds"
    report = Report()
    report.add(f"{title}. {machine('torch')}.")
    cells = [[str(s), spread(ends(s, "training_loss"), 4), spread(ends(s, "test_accuracy"), 3)] for s in settings]
    report.add(markdown_table(["network: method, state that differs", "training loss", "test accuracy"], cells))
    report.save(folder / "table.md")
    panels = {
        f"network in {_name(dtype)}": {str(s): ends(s, "training_loss") for s in settings if s.dtype == dtype}
        for dtype in dict.fromkeys(setting.dtype for setting in settings)
    }
    draw_dots(folder / "low_precision_state.png", title, panels, "training loss", log=True)
    write_csv(folder / "runs.csv", rows)
    protocol = {
        "scale": options.scale,
        "epochs": epochs,
        "batch_size": BATCH_SIZE,
        "seeds": list(range(seeds)),
        "settings": [str(setting) for setting in settings],
        "threads": 1,
    }
    write_json(
        folder / "configuration.json", configuration(protocol, ["experiments.studies.low_precision_state"], LIBRARIES)
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
