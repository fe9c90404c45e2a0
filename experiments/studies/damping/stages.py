"""The two stages: the grid on one seed, and the final runs on fresh ones."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from experiments.lib.runs import Job, execute
from experiments.lib.tuning import final as end_of
from experiments.studies.damping.contestants import (
    AT_EQUAL_HYPERPARAMETERS,
    BASES,
    VARIANTS,
    Contestant,
    Trial,
    contestants,
    damping_of,
    drawn,
)
from experiments.studies.damping.plans import Plan
from experiments.studies.damping.rules import Row

__all__ = [
    "CHOSEN_BY",
    "SEARCH_SEED",
    "Entry",
    "Finals",
    "Searched",
    "Setup",
    "at_equal_hyperparameters",
    "finals",
    "losses_by_damping",
    "rows",
    "search",
]

SEARCH_SEED: Final = 0
"""Of the weights and batches in the grid; the final runs have the seeds 1, 2 and so on."""

CHOSEN_BY: Final = "validation_loss"

SEARCHED: Final = "best of"
"""How the words begin that say that an entry was searched."""

Result = Mapping[str, Any]
"""What `experiments.studies.damping.training.train` returns."""

_OURS: Final = {"innaprop", *(variant.optimizer for variant in VARIANTS.values())}
"""The kinds of this project: their runs depend on the code of the adapter."""


class Setup(NamedTuple):
    """Where and how runs are computed.

    Attributes:
        plan: The sizes.
        source: What the user named with ``--data``.
        folder: For the results.
        workers: Processes.
        device: "cpu" or "cuda".
    """

    plan: Plan
    source: Path | None
    folder: Path
    workers: int | None
    device: str


class Searched(NamedTuple):
    """A contestant after the grid.

    Attributes:
        contestant: With its trials.
        results: Of the trials.
    """

    contestant: Contestant
    results: Sequence[Result]

    def losses(self) -> list[float]:
        """Of the trials; infinite for one that diverged."""
        return [end_of(result, CHOSEN_BY) for result in self.results]

    def best(self) -> Trial:
        """The trial with the smallest loss."""
        losses = self.losses()
        return self.contestant.trials[losses.index(min(losses))]

    def best_of_a_draw(self, number: int) -> Trial:
        """The best of so many trials that are drawn at random."""
        losses = self.losses()
        return self.contestant.trials[min(drawn(self.contestant, number), key=losses.__getitem__)]

    def expected_best(self, number: int) -> float:
        """The mean, over all draws of so many of its trials, of the smallest loss.

        Example:
            >>> trials = [Trial(0.1, 0.9, None, {})] * 3
            >>> results = [{"diverged": False, "validation_loss": [loss]} for loss in (1.0, 2.0, 4.0)]
            >>> Searched(Contestant("", "adamw", "cosine", trials), results).expected_best(2)
            1.3333333333333333
        """
        losses = sorted(self.losses())
        n = len(losses)
        number = min(number, n)
        chances = [math.comb(n - 1 - place, number - 1) / math.comb(n, number) for place in range(n)]
        return sum(chance * loss for chance, loss in zip(chances, losses, strict=True) if chance)


class Entry(NamedTuple):
    """What runs on fresh seeds.

    Attributes:
        label: In figures and tables.
        optimizer: The label of the contestant.
        chosen: How the trial was found.
        trial: The hyperparameters.
    """

    label: str
    optimizer: str
    chosen: str
    trial: Trial


Finals = dict[str, tuple[Entry, list[Result]]]
"""By label."""


def search(setup: Setup) -> dict[str, Searched]:
    """The grid."""
    plan = setup.plan
    found = contestants(plan.grid, plan.peers, plan.variants)
    description = plan.describe(setup.source)
    jobs = [
        _job(setup, description, contestant, trial, SEARCH_SEED, is_final=False)
        for contestant in found.values()
        for trial in contestant.trials
    ]
    results = iter(_execute(setup, jobs, "grid"))
    return {
        label: Searched(contestant, [next(results) for _ in contestant.trials]) for label, contestant in found.items()
    }


def finals(
    setup: Setup, searched: Mapping[str, Searched], rule: Callable[[float], float], seeds: int | None = None
) -> Finals:
    """The final runs.

    Args:
        setup: Where and how.
        searched: The grid.
        rule: The damping that the rule gives at a momentum.
        seeds: Final runs of each entry; None: as planned.
    """
    found = entries(setup.plan, searched, rule)
    description = setup.plan.describe(setup.source)
    numbers = range(SEARCH_SEED + 1, SEARCH_SEED + 1 + (seeds or setup.plan.sizes.seeds))
    # Seed by seed, so that what is interrupted has something of every entry.
    jobs = [
        _job(setup, description, searched[entry.optimizer].contestant, entry.trial, seed, is_final=True)
        for seed in numbers
        for entry in found
    ]
    results = _execute(setup, jobs, "final runs")
    return {entry.label: (entry, results[place :: len(found)]) for place, entry in enumerate(found)}


def entries(plan: Plan, searched: Mapping[str, Searched], rule: Callable[[float], float]) -> list[Entry]:
    """What runs on fresh seeds.

    The best of every peer; at the base's hyperparameters, those peers that have the same ones; and the damped
    optimizers at the hyperparameters of theirs.
    """
    found = [Entry(label, label, "its best", searched[label].best()) for label in plan.peers]
    base, damped = BASES[plan.family]
    of_base = searched[base].best()
    for label in AT_EQUAL_HYPERPARAMETERS:
        if label in plan.peers and searched[label].best() != of_base:
            found.append(Entry(f"{label}, as {base}", label, f"{base}'s η and μ", of_base))
    for label in plan.variants:
        variant = VARIANTS[label]
        at = searched[variant.peer].best()
        assert at.momentum is not None
        dampings = [damping_of(damping, at.momentum, rule) for damping in variant.final]
        for damping in dict.fromkeys(dampings):
            trial = variant.trial(at.learning_rate, at.momentum, damping, plan.grid.fixed)
            found.append(Entry(f"{label}, r = {damping:g}", label, f"{variant.peer}'s η and μ", trial))
    number = len(searched[base].contestant.trials)
    trial = searched[damped].best_of_a_draw(number)
    found.append(Entry(f"{damped}, searched", damped, f"{SEARCHED} {number} draws", trial))
    return found


def at_equal_hyperparameters(plan: Plan, finals: Finals) -> dict[str, list[float]]:
    """By entry that has the η and μ of the base, what its validation loss is above that of the base, seed by seed.

    These are the damped optimizers of the base, and Nesterov's variant of it. Infinite where one of the two diverged.
    """
    base = BASES[plan.family][0]
    trial = finals[base][0].trial
    ends: dict[str, list[float]] = {}
    for label, (entry, results) in finals.items():
        variant = VARIANTS.get(entry.optimizer)
        comparable = entry.optimizer in AT_EQUAL_HYPERPARAMETERS or (variant is not None and variant.peer == base)
        # A search that ended there is no comparison at hyperparameters that were given.
        comparable = comparable and not entry.chosen.startswith(SEARCHED)
        if comparable and (entry.trial.learning_rate, entry.trial.momentum) == (trial.learning_rate, trial.momentum):
            pairs = zip(results, finals[base][1], strict=True)
            differences = [end_of(result, CHOSEN_BY) - end_of(other, CHOSEN_BY) for result, other in pairs]
            ends[label] = [value if math.isfinite(value) else math.inf for value in differences]
    return ends


def losses_by_damping(plan: Plan, searched: Mapping[str, Searched], label: str) -> dict[tuple[float, float], Any]:
    """The losses of a variant over the damping, with those of the optimizers that it equals, by (η, μ)."""
    variant = VARIANTS[label]
    parts = {None: searched[label]} | {
        damping: searched[same] for damping, same in variant.same.items() if same in searched
    }
    cells: dict[tuple[float, float], dict[float, float]] = {cell: {} for cell in plan.grid.cells()}
    for damping, part in parts.items():
        for trial, loss in zip(part.contestant.trials, part.losses(), strict=True):
            assert trial.momentum is not None
            r = trial.damping if damping is None else damping_of(damping, trial.momentum)
            assert r is not None
            cells[trial.learning_rate, trial.momentum][r] = loss
    return {cell: dict(sorted(of_cell.items())) for cell, of_cell in cells.items()}


def rows(task: str, plan: Plan, searched: Mapping[str, Searched]) -> list[Row]:
    """The parts of the grid by which rules are judged: one for each momentum, at the base's best learning rate."""
    base, damped = BASES[plan.family]
    cells = losses_by_damping(plan, searched, damped)
    by_momentum: dict[float, tuple[float, float]] = {}
    for trial, loss in zip(searched[base].contestant.trials, searched[base].losses(), strict=True):
        assert trial.momentum is not None
        by_momentum[trial.momentum] = min(
            by_momentum.get(trial.momentum, (math.inf, trial.learning_rate)), (loss, trial.learning_rate)
        )
    return [
        Row(task, momentum, list(cells[lr, momentum]), list(cells[lr, momentum].values()))
        for momentum, (loss, lr) in by_momentum.items()
        if math.isfinite(loss)
    ]


def _job(
    setup: Setup,
    description: Mapping[str, Any],
    contestant: Contestant,
    trial: Trial,
    seed: int,
    *,
    is_final: bool,
) -> Job:
    sizes = setup.plan.sizes
    steps = sizes.steps if is_final else sizes.search_steps
    configuration = {
        "task": description,
        "optimizer": contestant.optimizer,
        "hyperparameters": dict(trial.hyperparameters),
        "schedule": {"kind": contestant.schedule, "warmup": setup.plan.warmup},
        "steps": steps,
        "chunk": sizes.chunk,
        "evaluate_every": sizes.evaluate_every if is_final else steps,
        "seed": seed,
        "device": setup.device,
    }
    ours = ("indian_core", "indian_jax") if contestant.optimizer in _OURS else ()
    # Not imported here: JAX must not start before the device is chosen.
    task = f"experiments.studies.damping.tasks.{description['name']}"
    libraries = ("numpy", "jax", "jaxlib", "optax")
    return Job("experiments.studies.damping.training:train", configuration, (task, *ours), libraries)


def _execute(setup: Setup, jobs: Sequence[Job], title: str) -> list[Any]:
    name = setup.folder.name
    return execute(jobs, setup.folder / "runs", setup.workers, f"{name}: {title}", {"source": setup.source})
