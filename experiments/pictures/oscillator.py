"""Fit a damped oscillator to noisy measurements in float64: INDIAN on a plain function, until its gradient is small.

The model is x(t) = A exp(−δt) cos(ωt + φ), its four parameters known, the measurements made up. Nothing is random in
the loss: every step uses all measurements, and the loop, as Optax' documentation has it for such problems, is a
`jax.lax.while_loop` that ends when the norm of the gradient is below a tolerance. Run with::

    python -m experiments oscillator
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from experiments.lib.command_line import parser, whole_number
from experiments.lib.curves import write_csv, write_json
from experiments.lib.figures import drawing
from experiments.lib.jax_releases import enable_x64, optax_tree
from experiments.lib.runs import configuration
from experiments.lib.styles import OPTIMIZERS
from indian_jax import indian

__all__ = ["main"]

TRUE = {"amplitude": 1.5, "damping": 0.25, "frequency": 2.0, "phase": 0.5}
GUESS = {"amplitude": 1.0, "damping": 0.1, "frequency": 1.8, "phase": 0.0}
MEASUREMENTS = 200
DURATION = 10.0
NOISE = 0.05
TOLERANCE = 1e-10
MAX_STEPS = 10_000
LEARNING_RATE = 0.5
ALPHA = 0.25
BETA = 1.0

Params = Any


class Fit(NamedTuple):
    """Where the minimization ended: the parameters, the norm of the gradient there, and how many steps it took."""

    params: Params
    gradient_norm: jax.Array
    steps: jax.Array


def minimize(
    function: Callable[[Params], jax.Array],
    start: Params,
    tx: optax.GradientTransformation,
    tolerance: float,
    max_steps: int,
) -> Fit:
    """Step until the norm of the gradient is at most the tolerance."""

    def goes_on(carry: tuple[Params, Any, Params]) -> jax.Array:
        _, state, gradient = carry
        return (optax_tree.norm(gradient) > tolerance) & (optax_tree.get(state, "count") < max_steps)

    def step(carry: tuple[Params, Any, Params]) -> tuple[Params, Any, Params]:
        params, state, gradient = carry
        updates, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        return params, state, jax.grad(function)(params)

    params, state, gradient = jax.lax.while_loop(goes_on, step, (start, tx.init(start), jax.grad(function)(start)))
    return Fit(params, optax_tree.norm(gradient), optax_tree.get(state, "count"))


def oscillation(params: Params, times: jax.Array | np.ndarray) -> jax.Array:
    """x(t)."""
    envelope = params["amplitude"] * jnp.exp(-params["damping"] * times)
    return envelope * jnp.cos(params["frequency"] * times + params["phase"])


def measurements(seed: int) -> tuple[jax.Array, jax.Array]:
    """Times, and what is measured then."""
    times = jnp.linspace(0.0, DURATION, MEASUREMENTS)
    return times, oscillation(TRUE, times) + NOISE * jax.random.normal(jax.random.key(seed), times.shape)


@jax.jit
def fit(times: jax.Array, measured: jax.Array) -> Fit:
    """The least-squares fit that is found from the first guess."""
    return minimize(
        lambda params: jnp.mean((oscillation(params, times) - measured) ** 2) / 2,
        jax.tree.map(lambda guess: jnp.asarray(guess, measured.dtype), GUESS),
        indian(LEARNING_RATE, ALPHA, BETA),
        TOLERANCE,
        MAX_STEPS,
    )


def standard_errors(params: Params, times: jax.Array, measured: jax.Array) -> Params:
    """Of the least-squares estimates: the roots of the diagonal of s²(JᵀJ)⁻¹, where J is the Jacobian of the model."""
    flat, unflatten = ravel_pytree(params)
    jacobian = jax.jacobian(lambda flat: oscillation(unflatten(flat), times))(flat)
    variance = jnp.sum((oscillation(params, times) - measured) ** 2) / (len(times) - len(flat))
    return unflatten(jnp.sqrt(variance * jnp.diag(jnp.linalg.inv(jacobian.T @ jacobian))))


def draw(path: Path, times: np.ndarray, measured: np.ndarray, params: Params) -> None:
    """Draw the measurements, the truth, the first guess and the fit, and write it as PNG and SVG."""
    with drawing(path, "A damped oscillator, fitted by INDIAN", height=4.2) as (_, ((axes,),)):
        axes.plot(times, measured, ".", color="0.6", markersize=4, label="measured")
        axes.plot(times, oscillation(GUESS, times), ":", color="black", label="first guess")
        axes.plot(times, oscillation(TRUE, times), color="black", linewidth=5, alpha=0.2, label="true")
        axes.plot(times, oscillation(params, times), "--", color=OPTIMIZERS["INDIAN"].colour, label="recovered")
        axes.set(xlabel="time t", ylabel="x(t)")
        axes.legend(loc="upper right")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make up measurements, fit the model, print what is recovered beside the truth, and write it with a figure."""
    made = parser("oscillator", __doc__, [])
    made.add_argument("--seed", type=whole_number(0), default=0, help="of the noise; default: %(default)s")
    options = made.parse_args(arguments)
    with enable_x64(True):
        times, measured = measurements(options.seed)
        found = fit(times, measured)
        errors = standard_errors(found.params, times, measured)
        found, errors, times, measured = jax.device_get((found, errors, times, measured))
    print(f"{MEASUREMENTS} measurements of x(t) = A exp(-δt) cos(ωt + φ) with noise of standard deviation {NOISE}")
    print(f"{found.steps} steps, norm of the gradient {found.gradient_norm:.1e}, in {measured.dtype}\n")
    if not found.gradient_norm <= TOLERANCE:
        sys.exit(f"No minimum was found in {MAX_STEPS} steps.")
    print(f"{'':9}  first guess    true  recovered  standard error")
    for name, true in TRUE.items():
        recovered = f"{found.params[name]:9.4f}  {errors[name]:14.4f}"
        print(f"{name:9}  {GUESS[name]:11.4f}  {true:6.4f}  {recovered}")
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    draw(folder / "oscillator", times, measured, found.params)
    write_csv(
        folder / "parameters.csv",
        [
            {
                "parameter": name,
                "first_guess": GUESS[name],
                "true": true,
                "recovered": float(found.params[name]),
                "standard_error": float(errors[name]),
            }
            for name, true in TRUE.items()
        ],
    )
    settings = {
        "true": TRUE,
        "first_guess": GUESS,
        "measurements": MEASUREMENTS,
        "duration": DURATION,
        "noise": NOISE,
        "seed": options.seed,
        "hyperparameters": {"learning_rate": LEARNING_RATE, "alpha": ALPHA, "beta": BETA},
        "tolerance": TOLERANCE,
        "max_steps": MAX_STEPS,
        "dtype": str(measured.dtype),
    }
    libraries = ("numpy", "jax", "optax")
    write_json(folder / "configuration.json", configuration(settings, ["experiments.pictures.oscillator"], libraries))
    print(f"\nWritten to {folder}")


if __name__ == "__main__":
    main()
