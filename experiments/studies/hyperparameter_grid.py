"""Train a grid of learning rates, α and β in one compiled JAX program, and time it against loops over the grid.

The task is the demo's: handwritten digits in mini-batches, here with a network of one hidden layer. The hyperparameters
of `indian` may be traced values, so `jax.vmap` over a training run makes one program that trains the network with all
settings at once. No loop compiles more than once: its program, too, takes the settings as arguments. Run with::

    python -m experiments hyperparameter_grid
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from benchmarks.side_by_side import machine, measure, table
from experiments.lib import data
from experiments.lib.command_line import parser, whole_number
from experiments.lib.curves import read_csv, write_csv, write_json
from experiments.lib.figures import drawing
from experiments.lib.networks.architectures import perceptron
from experiments.lib.networks.jax_network import logits
from experiments.lib.runs import configuration
from indian_jax import indian

__all__ = ["main", "redraw"]

LEARNING_RATES = (0.05, 0.1, 0.2, 0.5)
ALPHAS = (0.1, 0.25, 0.5, 1.0)
BETAS = (0.1, 0.2, 0.4, 0.8, 1.6)
HIDDEN_UNITS = 32
BATCH_SIZE = 32
SEED = 0

NETWORK = perceptron((8, 8, 1), data.DIGITS, (HIDDEN_UNITS,))

Params = list[jax.Array]


class Settings(NamedTuple):
    """Hyperparameters, each a number or an array with one number per run."""

    learning_rate: Any
    alpha: Any
    beta: Any


class Outcome(NamedTuple):
    """Of the trained network: the loss on all training images, and the share of test images that are right."""

    training_loss: Any
    test_accuracy: Any


class Task(NamedTuple):
    """Images of shape (n, 8, 8, 1) and their digits, the indices of the images of each step, the initial parameters."""

    x_train: jax.Array
    y_train: jax.Array
    x_test: jax.Array
    y_test: jax.Array
    batches: jax.Array
    initial: Params


def grid() -> Settings:
    """All combinations, each an array of shape (80,)."""
    mesh = np.meshgrid(ALPHAS, LEARNING_RATES, BETAS, indexing="ij")
    alpha, learning_rate, beta = (axis.ravel().astype(np.float32) for axis in mesh)
    return Settings(learning_rate, alpha, beta)


def make_task(epochs: int) -> Task:
    """The same weights and batches for all settings."""
    digits = data.digits()
    batches = np.stack(list(data.batches(len(digits.y_train), BATCH_SIZE, SEED, epochs)))
    return Task(
        jnp.asarray(digits.x_train, jnp.float32),
        jnp.asarray(digits.y_train),
        jnp.asarray(digits.x_test, jnp.float32),
        jnp.asarray(digits.y_test),
        jnp.asarray(batches),
        initial_params(),
    )


def initial_params() -> Params:
    """He normal before the ReLU, Glorot normal at the end, biases zero; drawn by JAX."""
    initializers = (jax.nn.initializers.he_normal(), jax.nn.initializers.glorot_normal())
    params = []
    for key, initializer, shape in zip(
        jax.random.split(jax.random.key(SEED)), initializers, NETWORK.kernel_shapes(), strict=True
    ):
        params += [initializer(key, shape), jnp.zeros(shape[-1])]
    return params


def loss(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross-entropy."""
    return optax.softmax_cross_entropy_with_integer_labels(logits(NETWORK, params, x), y).mean()


def step(task: Task, settings: Settings, params: Params, state: Any, batch: jax.Array) -> tuple[Params, Any]:
    """One step of training."""
    gradients = jax.grad(loss)(params, task.x_train[batch], task.y_train[batch])
    updates, state = indian(**settings._asdict()).update(gradients, state, params)
    return optax.apply_updates(params, updates), state


def evaluate(task: Task, params: Params) -> Outcome:
    """Loss and accuracy."""
    right = logits(NETWORK, params, task.x_test).argmax(axis=-1) == task.y_test
    return Outcome(loss(params, task.x_train, task.y_train), jnp.mean(right))


def train(task: Task, settings: Settings) -> Outcome:
    """All steps with one setting."""
    start = task.initial, indian().init(task.initial)
    (params, _), _ = jax.lax.scan(lambda carry, batch: (step(task, settings, *carry, batch), None), start, task.batches)
    return evaluate(task, params)


def one_program(task: Task, settings: Settings) -> Callable[[], Outcome]:
    """Compiles one program for all settings, and returns how to run it."""
    program = jax.jit(jax.vmap(train, in_axes=(None, 0))).lower(task, settings).compile()
    return lambda: jax.device_get(program(task, settings))


def loop_over_settings(task: Task, settings: Settings) -> Callable[[], Outcome]:
    """Compiles one program for a run with any setting, and returns how to run it with one after the other."""
    program = jax.jit(train).lower(task, single(settings, 0)).compile()
    return lambda: stack([program(task, single(settings, i)) for i in range(number(settings))])


def loop_over_settings_and_steps(task: Task, settings: Settings) -> Callable[[], Outcome]:
    """Compiles a program for a step with any setting, and returns how to run it, as most training loops are written."""
    compiled_step, compiled_evaluate = jax.jit(step, donate_argnums=3), jax.jit(evaluate)
    batches = list(np.asarray(task.batches))

    def run(setting: Settings, batches: Sequence[NDArray]) -> Outcome:
        params, state = task.initial, indian().init(task.initial)
        for batch in batches:
            params, state = compiled_step(task, setting, params, state, batch)
        return compiled_evaluate(task, params)

    run(single(settings, 0), batches[:1])
    return lambda: stack([run(single(settings, i), batches) for i in range(number(settings))])


WAYS: dict[str, Callable[[Task, Settings], Callable[[], Outcome]]] = {
    "one program for all settings": one_program,
    "loop over settings": loop_over_settings,
    "loop over settings and steps": loop_over_settings_and_steps,
}


def number(settings: Settings) -> int:
    """How many there are."""
    return len(settings.learning_rate)


def single(settings: Settings, index: int) -> Settings:
    """One of them."""
    return Settings(*(values[index] for values in settings))


def stack(outcomes: Sequence[Outcome]) -> Outcome:
    """Many as one, as arrays of NumPy."""
    return Outcome(*(np.array(values) for values in zip(*jax.device_get(outcomes), strict=True)))


def best_table(settings: Settings, outcome: Outcome, rows: int = 5) -> str:
    """The settings with the highest test accuracy."""
    order = np.lexsort((outcome.training_loss, -outcome.test_accuracy))[:rows]
    lines = ["learning rate  alpha  beta  training loss  test accuracy"]
    for i in order:
        lines.append(
            f"{settings.learning_rate[i]:13g}  {settings.alpha[i]:5g}  {settings.beta[i]:4g}  "
            f"{outcome.training_loss[i]:13.4f}  {outcome.test_accuracy[i]:13.1%}"
        )
    return "\n".join(lines)


def outcome_rows(settings: Settings, outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """What became of every setting in every way."""
    return [
        {
            "way": way,
            **{name: f"{values[i]:g}" for name, values in settings._asdict().items()},
            **{name: float(values[i]) for name, values in outcome._asdict().items()},
        }
        for way, outcome in outcomes.items()
        for i in range(number(settings))
    ]


def differences(outcome: Outcome, others: Iterable[Outcome]) -> str:
    """How far the other ways, which take the same steps up to rounding, are from the first."""
    loss = outcome.training_loss
    relative = np.max([np.abs(other.training_loss - loss) / np.abs(loss) for other in others], axis=0)
    most, largest = np.nanquantile(relative, (0.9, 1.0))
    return (
        f"The training losses of the loops differ by a factor of at most 1 ± {most:.0e} for 90 % of the settings, and "
        f"1 ± {largest:.0e} for all:\nwhere a step is so large that training hardly converges, a rounding error grows."
    )


def redraw(folder: Path) -> None:
    """Draw the test accuracy over the grid, one panel for each α, from the file in the folder."""
    found = [row for row in read_csv(folder / "outcomes.csv") if row["way"] == next(iter(WAYS))]
    accuracy: NDArray = np.array([100 * float(row["test_accuracy"]) for row in found])
    accuracy = accuracy.reshape(len(ALPHAS), len(LEARNING_RATES), len(BETAS))
    with drawing(
        *(folder / "hyperparameter_grid", f"{len(found)} settings of INDIAN, trained in one program", 2, 2),
        height=5.6,
        sharex=True,
        sharey=True,
    ) as (figure, axes):
        for panel, alpha, values in zip(axes.flat, ALPHAS, accuracy, strict=True):
            image = panel.imshow(values, vmin=accuracy.max() - 10, vmax=accuracy.max(), cmap="viridis", aspect="auto")
            for (row, column), value in np.ndenumerate(values):
                dark = value < accuracy.max() - 5
                panel.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if dark else "black")
            panel.set_xticks(range(len(BETAS)), [f"{beta:g}" for beta in BETAS])
            panel.set_yticks(range(len(LEARNING_RATES)), [f"{rate:g}" for rate in LEARNING_RATES])
            panel.set_title(f"α = {alpha:g}")
        for panel in axes[-1]:
            panel.set_xlabel("β")
        for panel in axes[:, 0]:
            panel.set_ylabel("learning rate γ")
        figure.colorbar(image, ax=axes, label="test accuracy, %", extend="min")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the grid in all ways, print tables, and write a figure, the outcomes, the times and the configuration."""
    made = parser("hyperparameter_grid", __doc__, [])
    made.add_argument("--epochs", type=whole_number(1), default=10, help="passes over the images; default: %(default)s")
    made.add_argument("--rounds", type=whole_number(1), default=3, help="of the timing; default: %(default)s")
    options = made.parse_args(arguments)

    settings, task = grid(), make_task(options.epochs)
    title = f"{number(settings)} settings, {len(task.batches)} steps of batch size {BATCH_SIZE} with each"
    print(title, end="\n\n")
    ways, outcomes = {}, []
    for name, compiled in WAYS.items():
        start = time.perf_counter()
        ways[name] = compiled(task, settings)
        print(f"{name}: compiled in {time.perf_counter() - start:.1f} s")
        outcomes.append(ways[name]())
    print(f"\n{best_table(settings, outcomes[0])}\n\n{differences(outcomes[0], outcomes[1:])}\n")
    seconds = measure(ways, rounds=options.rounds)
    first = next(iter(ways))
    times = f"{title}.\n\n{table(seconds, [first])}\n\nMachine: {machine('jax', 'optax')}.\n"
    print(times)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "times.md").write_text(times, encoding="utf-8")
    write_csv(options.output / "outcomes.csv", outcome_rows(settings, dict(zip(WAYS, outcomes, strict=True))))
    redraw(options.output)
    timed = [
        {"way": name, "round": i, "seconds": value}
        for name, values in seconds.items()
        for i, value in enumerate(values)
    ]
    write_csv(options.output / "times.csv", timed)
    protocol = {
        "learning_rates": LEARNING_RATES,
        "alphas": ALPHAS,
        "betas": BETAS,
        "hidden_units": HIDDEN_UNITS,
        "batch_size": BATCH_SIZE,
        "epochs": options.epochs,
        "seed": SEED,
        "rounds": options.rounds,
        "machine": machine("jax", "optax"),
    }
    libraries = ("numpy", "scikit-learn", "jax", "optax")
    write_json(
        options.output / "configuration.json",
        configuration(protocol, ["experiments.studies.hyperparameter_grid"], libraries),
    )
    print(f"Written to {options.output}")


if __name__ == "__main__":
    main()
