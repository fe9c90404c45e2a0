"""What the state of an optimizer in 16 or 32 bits costs and gains in accuracy, in PyTorch.

A perceptron learns handwritten digits. The first comparison has parameters in float32 or bfloat16, and the velocity and
the accumulator of a norm in the same dtype or in the other. The second has parameters in bfloat16 or float16, the
velocity in the same dtype or in float32, and weaker and weaker friction; a run in float32 throughout is the measure.
Its peer is SGD with Nesterov momentum, whose buffer has the dtype of the parameters, at settings with which its steps
are INDIAN's to rounding. Activations and gradients have the dtype of the parameters. Run with::

    python -m experiments low_precision_state
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.side_by_side import Report, machine
from experiments.lib import data
from experiments.lib.command_line import parser
from experiments.lib.comparison import explained
from experiments.lib.curves import markdown_table, read_csv, spread, write_csv, write_json
from experiments.lib.dots import draw_dots
from experiments.lib.networks.architectures import perceptron
from experiments.lib.networks.torch_network import TorchNetwork, torch_initial_weights
from experiments.lib.runs import Job, configuration, execute
from indian_core import from_momentum_sgd
from indian_torch import INDIAN, INNAprop

__all__ = ["main", "redraw"]

SGD_SETTINGS = ((0.01, 0.9), (0.001, 0.99), (0.0001, 0.999))
"""Learning rate and momentum of SGD. The weaker the friction, the smaller is a gradient beside the velocity."""

BATCH_SIZE = 32
EPOCHS = {"quick": 1, "standard": 20}
SEEDS = {"quick": 2, "standard": 5}
LIBRARIES = ("numpy", "scikit-learn", "torch")
NETWORK = perceptron((8, 8, 1), data.DIGITS)

Make = Callable[..., torch.optim.Optimizer]


class Setting(NamedTuple):
    """A network and its optimizer.

    Attributes:
        row: Of the table.
        column: Of the table of the second comparison, otherwise empty.
        dtype: Of the parameters.
        make: Makes the optimizer of some parameters.
    """

    row: str
    column: str
    dtype: torch.dtype
    make: Make


# --- What is compared -------------------------------------------------------------------------------------------------


def _adagrad_norm(params: list[nn.Parameter], **dtypes: torch.dtype) -> torch.optim.Optimizer:
    return INDIAN(params, lr=0.02, norm="adagrad", **dtypes)  # type: ignore[arg-type]


METHODS: dict[str, Make] = {
    "INNAprop": INNAprop,
    "INDIAN, AdaGrad norm": _adagrad_norm,
    "INDIAN": INDIAN,
    "AdamW": torch.optim.AdamW,
}
"""With their default hyperparameters, except for the learning rate in the AdaGrad norm."""


def states() -> list[Setting]:
    """The first comparison: every method with its state in the dtype of the parameters, and in the other."""
    found = []
    for dtype, other in ((torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)):
        velocity, norm = {"velocity_dtype": other}, {"norm_dtype": other}
        for method in METHODS:
            found.append(_state(method, dtype, {}))
            if method != "AdamW":
                found.append(_state(method, dtype, velocity))
            if method in ("INNAprop", "INDIAN, AdaGrad norm"):
                found += [_state(method, dtype, norm), _state(method, dtype, velocity | norm)]
    return found


def _state(method: str, dtype: torch.dtype, state: Mapping[str, torch.dtype]) -> Setting:
    names = {"velocity_dtype": "velocity", "norm_dtype": "accumulator"}
    others = [f"{names[key]} in {_name(other)}" for key, other in state.items()]
    row = ", ".join([f"{_name(dtype)}: {method}", *others])
    return Setting(row, "", dtype, lambda params: METHODS[method](params, **state))


def velocities() -> list[Setting]:
    """The second comparison: INDIAN with the velocity in the dtype of the parameters and in float32, and SGD."""
    found = []
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        rows: dict[str, Callable[[float, float], Make]] = {"INDIAN": _nesterov_by_indian(None)}
        if dtype != torch.float32:
            rows["INDIAN, velocity in float32"] = _nesterov_by_indian(torch.float32)
        rows["SGD"] = _nesterov_by_sgd
        for row, make in rows.items():
            for rate, momentum in SGD_SETTINGS:
                column = f"SGD's learning rate {rate:g}, momentum {momentum:g}"
                found.append(Setting(f"{_name(dtype)}, {row}", column, dtype, make(rate, momentum)))
    return found


def _nesterov_by_indian(velocity_dtype: torch.dtype | None) -> Callable[[float, float], Make]:
    def make(learning_rate: float, momentum: float) -> Make:
        lr, alpha, beta, speed = from_momentum_sgd(learning_rate, momentum, nesterov=True)
        return lambda params: INDIAN(params, lr, alpha, beta, initial_speed=speed, velocity_dtype=velocity_dtype)

    return make


def _nesterov_by_sgd(learning_rate: float, momentum: float) -> Make:
    return lambda params: torch.optim.SGD(params, learning_rate, momentum, nesterov=True)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


# --- Runs -------------------------------------------------------------------------------------------------------------


def run(job: Mapping[str, Any]) -> dict[str, float]:
    """Training loss and test accuracy after training, in float32; see `experiments.lib.runs.Job` for who calls it."""
    torch.set_num_threads(1)
    setting = next(each for each in states() + velocities() if each[:2] == (job["setting"], job["sgd"]))
    digits = data.digits()
    images, labels = torch.from_numpy(digits.x_train).to(setting.dtype), torch.from_numpy(digits.y_train)
    network = TorchNetwork(NETWORK, torch_initial_weights(NETWORK, job["seed"])).to(setting.dtype)
    optimizer = setting.make(list(network.parameters()))
    for batch in data.batches(len(labels), BATCH_SIZE, job["seed"], job["epochs"]):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images[batch]).float(), labels[batch]).backward()
        optimizer.step()
    network.float()
    with torch.no_grad():
        loss = nn.functional.cross_entropy(network(images.float()), labels)
        right = network(torch.from_numpy(digits.x_test).float()).argmax(1) == torch.from_numpy(digits.y_test)
    return {"training_loss": float(loss), "test_accuracy": float(right.float().mean())}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, print the tables, and write them with two figures, all runs and the configuration."""
    made = parser("low_precision_state", __doc__, ["seeds", "scale", "workers"], scales=tuple(EPOCHS))
    options = made.parse_args(arguments)
    epochs, seeds, folder = EPOCHS[options.scale], options.seeds or SEEDS[options.scale], options.output
    jobs = [
        Job(
            "experiments.studies.low_precision_state:run",
            {"setting": setting.row, "sgd": setting.column, "epochs": epochs, "seed": seed},
            libraries=LIBRARIES,
        )
        for setting in states() + velocities()
        for seed in range(seeds)
    ]
    with explained():
        results = execute(jobs, folder / "runs", options.workers, "training")
    rows = [{**job.configuration, **result} for job, result in zip(jobs, results, strict=True)]
    spread_of = f"after {epochs} epochs, mean (lowest–highest) of {seeds} seeds"
    report_states(folder, f"Training loss and test accuracy {spread_of}", rows)
    report_velocities(folder, f"Training loss {spread_of}", rows)
    write_csv(folder / "runs.csv", rows)
    redraw(folder)
    protocol = {
        "scale": options.scale,
        "epochs": epochs,
        "batch_size": BATCH_SIZE,
        "seeds": list(range(seeds)),
        "settings": [setting.row for setting in states()],
        "velocities": list(dict.fromkeys(setting.row for setting in velocities())),
        "learning_rate_and_momentum_of_sgd": SGD_SETTINGS,
        "threads": 1,
    }
    sources = ["experiments.studies.low_precision_state"]
    write_json(folder / "configuration.json", configuration(protocol, sources, LIBRARIES))


# --- Reporting --------------------------------------------------------------------------------------------------------


def report_states(folder: Path, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of the first comparison, ``table.md``."""
    cells = [
        [
            setting.row,
            spread(_ends(rows, setting, "training_loss"), 4),
            spread(_ends(rows, setting, "test_accuracy"), 3),
        ]
        for setting in states()
    ]
    header = ["network: method, state that differs", "training loss", "test accuracy"]
    _save_table(folder / "table.md", title, header, cells)


def report_velocities(folder: Path, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of the second comparison, ``velocities.md``."""
    panels: dict[str, dict[str, list[float]]] = {}
    for setting in velocities():
        panels.setdefault(setting.column, {})[setting.row] = _ends(rows, setting, "training_loss")
    labels = next(iter(panels.values()))
    cells = [[label, *(spread(panel[label], 4) for panel in panels.values())] for label in labels]
    _save_table(folder / "velocities.md", title, ["", *panels], cells)


def redraw(folder: Path) -> None:
    """Draw the figures from the file of all runs in the folder."""
    rows = [row | {"training_loss": float(row["training_loss"])} for row in read_csv(folder / "runs.csv")]
    seeds = len({row["seed"] for row in rows})
    title = f"Training loss after {rows[0]['epochs']} epochs, {seeds} seeds and their mean"
    panels: dict[str, dict[str, list[float]]] = {}
    for setting in states():
        dtype = _name(setting.dtype)
        panel = panels.setdefault(f"network in {dtype}", {})
        panel[setting.row.removeprefix(f"{dtype}: ")] = _ends(rows, setting, "training_loss")
    draw_dots(folder / "low_precision_state", title, panels, "training loss", log=True)
    panels = {}
    for setting in velocities():
        dtype, _, method = setting.row.partition(", ")
        panel = panels.setdefault(setting.column, {})
        panel[f"{method}; network in {dtype}"] = _ends(rows, setting, "training_loss")
    draw_dots(folder / "velocities", title, panels, "training loss")


def _ends(rows: Sequence[Mapping[str, Any]], setting: Setting, quantity: str) -> list[float]:
    return [row[quantity] for row in rows if (row["setting"], row["sgd"]) == setting[:2]]


def _save_table(path: Path, title: str, header: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    report = Report()
    report.add(f"{title}. {machine('torch')}.")
    report.add(markdown_table(header, cells))
    report.save(path)
