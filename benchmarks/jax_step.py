"""Time, memory and compile time of an optimizer's step in JAX, with Optax's AdamW and SGD in the same run.

The step is one jitted function with donated parameters and state: Optax's update and `optax.apply_updates`. It is timed
with gradients that are handed to it, and with gradients that it computes itself as a training step does; these are the
products of two thin matrices each, the cheapest gradients that XLA does not compute within the update.

    python -m benchmarks.jax_step --output docs/results/benchmarks/jax_step.md
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.side_by_side import SIZES, Report, machine, measure, options, table
from indian_jax import damped_adamw, damped_sgd, indian, innaprop, power_decay

OPTIMIZERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "INDIAN, constant rate": lambda: indian(0.1),
    "INDIAN, schedule": lambda: indian(power_decay(0.1)),
    "INDIAN, injected": lambda: optax.inject_hyperparams(indian)(0.1),
    "INNAprop": lambda: innaprop(1e-3),
    "INNAprop, schedule": lambda: innaprop(power_decay(1e-3)),
    "damped_sgd": lambda: damped_sgd(1e-3, momentum=0.9),
    "damped_adamw": lambda: damped_adamw(1e-3),
    "SGD Nesterov": lambda: optax.sgd(1e-3, momentum=0.9, nesterov=True),
    "AdamW": lambda: optax.adamw(1e-3),
}
PEERS = ("SGD Nesterov", "AdamW")
ALIKE: dict[str, Callable[[], optax.GradientTransformation]] = {
    "SGD Nesterov, schedule": lambda: optax.sgd(power_decay(1e-3), momentum=0.9, nesterov=True),
    "SGD Nesterov, injected": lambda: optax.inject_hyperparams(optax.sgd)(1e-3, momentum=0.9, nesterov=True),
}
"""Peers of the same kind where time to compile is compared: a schedule or injected hyperparameters take their share."""
COLUMNS = 50
"""Every tensor is a matrix with this number of columns."""


class Step:
    """A compiled step with parameters and state of its own, which it replaces at each call."""

    def __init__(self, optimizer: optax.GradientTransformation, params: Any, gradients: Any, *, own: bool) -> None:
        self.params = jax.tree.map(jnp.copy, params)
        self.state = optimizer.init(params)
        self._gradients = _factors(params) if own else gradients
        self._compiled = lowered(optimizer, params, self._gradients, own=own).compile()

    def __call__(self) -> None:
        """Take a step, and wait for it."""
        self.params, self.state = self._compiled(self.params, self.state, self._gradients)
        jax.block_until_ready((self.params, self.state))

    def state_size(self) -> int:
        """Bytes."""
        return sum(leaf.nbytes for leaf in jax.tree.leaves(self.state))

    def temporary_size(self) -> int:
        """Bytes that the step has allocated while it runs, beside its arguments and results."""
        return self._compiled.memory_analysis().temp_size_in_bytes


def lowered(optimizer: optax.GradientTransformation, params: Any, gradients: Any, *, own: bool) -> Any:
    """The step, traced but not compiled; ``gradients`` are those matrices' factors if it computes its ``own``."""

    def step(params: Any, state: Any, gradients: Any) -> Any:
        if own:
            gradients = [left @ right for left, right in gradients]
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    return jax.jit(step, donate_argnums=(0, 1)).lower(params, optimizer.init(params), gradients)


def _factors(params: Any) -> Any:
    return [(jnp.full((p.shape[0], 2), 1e-3), jnp.full((2, p.shape[1]), 1e-3)) for p in params]


def _compilations(params: Any) -> dict[str, Callable[[], object]]:
    def compilation(make: Callable[[], optax.GradientTransformation]) -> Callable[[], object]:
        # Each time a new function, which JAX does not have in its cache.
        return lambda: lowered(make(), params, params, own=False).compile()

    return {name: compilation(make) for name, make in (OPTIMIZERS | ALIKE).items()}


def _memory_table(steps: dict[str, Step], params_size: int) -> str:
    lines = ["| | state | temporaries |", "|---|---|---|"]
    for name, step in steps.items():
        sizes = (step.state_size() / params_size, step.temporary_size() / params_size)
        lines.append(f"| {name} | " + " | ".join(f"{size:.2f}" for size in sizes) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark; the options are those of all benchmarks."""
    given = options(__doc__, arguments)
    report = Report()
    report.add(f"{machine('jax', 'jaxlib', 'optax')}; float32, one process, {given.rounds} rounds.")
    for size, (count, elements) in SIZES.items():
        rows = max(1, round(elements * given.scale / COLUMNS))
        params = [jnp.full((rows, COLUMNS), 0.1) for _ in range(count)]
        gradients = [jnp.full_like(p, 1e-3) for p in params]
        calls = max(1, 4_000_000 // sum(p.size for p in params))
        for own, described in ((False, "gradients handed to the step"), (True, "gradients computed in the step")):
            steps = {name: Step(make(), params, gradients, own=own) for name, make in OPTIMIZERS.items()}
            report.add(f"**{size}, {described}**")
            report.add(table(measure(steps, rounds=given.rounds, calls=calls), PEERS))
            report.add("Bytes, as multiples of the parameters':")
            report.add(_memory_table(steps, sum(p.nbytes for p in params)))
        compile_rounds = max(1, given.rounds // 3)
        seconds = measure(_compilations(params), rounds=compile_rounds)
        report.add(f"**{size}, time to trace and compile** (gradients handed to the step, {compile_rounds} rounds)")
        report.add(table(seconds, (*PEERS, *ALIKE)))
    report.save(given.output)


if __name__ == "__main__":
    main(sys.argv[1:])
