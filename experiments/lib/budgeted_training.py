"""One training run in PyTorch under a budget of propagated examples, the currency of first and second order alike.

A gradient of a batch of n examples propagates n examples, and so does every product with the curvature. Besides these a
run counts calls (*backpropagations*: one for a gradient, one for a product, whatever the batch), epochs, and CPU
seconds of the process, which has one thread. Evaluations are not counted.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from experiments.lib import data
from experiments.lib.networks.torch_models import build
from experiments.lib.optimizers import in_torch
from experiments.lib.runs import Job

__all__ = ["TRUST_REGIONS", "job", "thresholds", "train"]

TRUST_REGIONS: Final = {"TR uniform": None, "TR AdaGrad": "adagrad", "TR RMSProp": "rmsprop"}
"""The norm of each; the other optimizers are those of `experiments.lib.optimizers`."""

_EVALUATED_AT_ONCE = 500


def job(configuration: Mapping[str, Any]) -> Job:
    """A run for `experiments.lib.runs.execute`, whose resource ``source`` is what the user named with ``--data``."""
    ours = ("indian_torch.trust_region",) if configuration["optimizer"] in TRUST_REGIONS else ()
    return Job("experiments.lib.budgeted_training:train", configuration, ours, ("numpy", "torch"))


def thresholds(budget: int, evaluations: int) -> list[int]:
    """After how many propagated examples to evaluate: in equal ratios over two decades, to the end of the budget.

    Example:
        >>> thresholds(1000, 3)
        [10, 100, 1000]
    """
    return [round(budget * 100 ** (i / (evaluations - 1) - 1)) for i in range(evaluations)]


def train(configuration: Mapping[str, Any], source: Path | None) -> dict[str, Any]:
    """Train once.

    Args:
        configuration: With these keys:

            - data: what `experiments.lib.data.images` returned
            - network: see `experiments.lib.networks.torch_models.build`; an autoencoder learns the images, in [0, 1],
              with binary cross-entropy, other networks the labels with cross-entropy
            - optimizer: one of `TRUST_REGIONS`, or a name in `experiments.lib.optimizers`
            - hyperparameters: of the optimizer
            - batch_size: of each step
            - budget: propagated examples; the step that reaches it is the last
            - evaluations: how many, see `thresholds`
            - evaluate: on how many examples of the parts "training" and "test"
            - seed: of the initial weights and of the order of the batches
        source: What the user named with ``--data``.

    Returns:
        Lists with an entry for the start and for each threshold, measured after the step that reached it:
        ``propagated`` examples, ``backpropagations``, ``epochs``, ``cpu_seconds``, ``steps``, ``PART_loss``,
        ``PART_accuracy`` (not of autoencoders) and, of trust regions, ``radius`` and ``accepted`` (share of the steps
        so far). ``diverged``: whether a loss became infinite or no number, which ends the run.
    """
    torch.set_num_threads(1)
    parts, classes = data.load(configuration["data"], source)
    training = parts["training"]
    autoencoder = configuration["network"]["name"].endswith("autoencoder")
    scaled = _to_unit_interval(training.spread(len(training))[0]) if autoencoder else None
    inputs, _ = training.spread(1)
    network = build(configuration["network"], inputs.shape[1:], classes, configuration["seed"])
    objective = _Objective(network, scaled)
    optimizer = _Optimizer(configuration["optimizer"], network, configuration["hyperparameters"])
    batch_size = configuration["batch_size"]
    evaluate = {part: objective.tensors(*parts[part].spread(n)) for part, n in configuration["evaluate"].items()}
    order = data.batches(len(training), batch_size, configuration["seed"])
    curves: dict[str, list[float]] = {}
    steps, seconds = 0, 0.0

    def record() -> bool:
        """Whether all is finite."""
        point: dict[str, float] = {
            "propagated": optimizer.backpropagations * batch_size,
            "backpropagations": optimizer.backpropagations,
            "epochs": steps * batch_size / len(training),
            "cpu_seconds": round(seconds, 3),
            "steps": steps,
            **optimizer.report,
        }
        for part, examples in evaluate.items():
            point |= {f"{part}_{name}": value for name, value in objective.evaluate(*examples).items()}
        for name, value in point.items():
            curves.setdefault(name, []).append(value)
        return all(map(math.isfinite, point.values()))

    fine = record()
    for threshold in thresholds(configuration["budget"], configuration["evaluations"]):
        while fine and optimizer.backpropagations * batch_size < threshold:
            batch = objective.tensors(*training.take(next(order)))
            start = time.process_time()
            fine = math.isfinite(optimizer.step(functools.partial(objective.loss, *batch)))
            seconds += time.process_time() - start
            steps += 1
        if fine:
            fine = record()
    return {**curves, "diverged": not fine}


class _Optimizer:
    """An optimizer of first order or a trust region, which counts its backpropagations."""

    def __init__(self, name: str, network: nn.Module, hyperparameters: Mapping[str, Any]) -> None:
        self.backpropagations = 0
        self.report: dict[str, float] = {}
        self._trust_region = name in TRUST_REGIONS
        self._steps = self._accepted = 0
        params = list(network.parameters())
        if self._trust_region:
            ours: Any = import_module("indian_torch")
            self._optimizer: Any = ours.TrustRegion(params, norm=TRUST_REGIONS[name], **hyperparameters)
            self.report = {"radius": hyperparameters["radius"], "accepted": 1.0}
        else:
            self._optimizer = in_torch(name, params, hyperparameters)

    def step(self, closure: Callable[[], Tensor]) -> float:
        """Take one step; returns the loss before it."""
        if self._trust_region:
            self._optimizer.step(closure)
            report = self._optimizer.report
            self.backpropagations = int(report.backpropagations)
            self._steps += 1
            self._accepted += bool(report.accepted)
            self.report = {"radius": float(report.radius), "accepted": self._accepted / self._steps}
            return float(report.loss)
        self._optimizer.zero_grad()
        loss = closure()
        loss.backward()
        self._optimizer.step()
        self.backpropagations += 1
        return loss.item()


class _Objective:
    """The loss of a network on a batch; ``scaled`` maps images to the pixels that an autoencoder is to return."""

    def __init__(self, network: nn.Module, scaled: Callable[[NDArray[Any]], NDArray[Any]] | None) -> None:
        self._network = network
        self._scaled = scaled

    def tensors(self, x: NDArray[Any], y: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Inputs and targets."""
        if self._scaled is None:
            return torch.from_numpy(x), torch.from_numpy(y)
        pixels = torch.from_numpy(self._scaled(x))
        return pixels, pixels

    def loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the examples and, of an autoencoder, the pixels."""
        outputs = self._network(inputs)
        if self._scaled is None:
            return cross_entropy(outputs, targets)
        return binary_cross_entropy_with_logits(outputs, targets)

    @torch.no_grad()
    def evaluate(self, inputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Loss and accuracy on many examples."""
        loss, right = 0.0, 0
        for some, expected in zip(inputs.split(_EVALUATED_AT_ONCE), targets.split(_EVALUATED_AT_ONCE), strict=True):
            loss += self.loss(some, expected).item() * len(some)
            if self._scaled is None:
                right += int((self._network(some).argmax(1) == expected).sum())
        found = {"loss": loss / len(inputs)}
        return found if self._scaled else found | {"accuracy": right / len(inputs)}


def _to_unit_interval(images: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """A map that takes the lowest and highest values of each channel of these images to 0 and 1."""
    low, high = images.min((0, 1, 2)), images.max((0, 1, 2))
    return lambda x: np.clip((x - low) / (high - low), 0, 1)
