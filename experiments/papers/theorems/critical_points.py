"""Theorem 3: mini-batch INDIAN converges to D-critical points, which need not be critical.

On the regression of `experiments.papers.theorems.relu_regression`, with the batches and step sizes of Assumption 1,
from random starts, from starts with one unit or both at 0, and from starts beside 0.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from experiments.lib.curves import markdown_table, write_csv
from experiments.lib.figures import drawing
from experiments.lib.runs import Job
from experiments.papers.theorems import relu_regression as regression
from indian_core.energy import energies
from indian_core.schedules import PowerDecay

__all__ = ["jobs", "report", "run", "run_derivatives"]

ALPHA, BETA = 0.5, 0.5
INITIAL: Final = 0.4
POWERS: Final = (0.25, 0.5, 0.75, 1.0)
STEPS: Final = {"quick": 2_000, "standard": 100_000}
RUNS: Final = 50
BESIDE: Final = 1e-9
GROUPS: Final = ("random", "θ₁ = 0", "θ = 0", f"θ₁ = {BESIDE:g}")
NEAR: Final = 0.1
"""A run has arrived at a D-critical point within this distance."""

DISTANCES: Final = ("median_distance", "least_distance", "largest_distance", "median_distance_to_critical")

DERIVATIVES: Final = {"quick": ("torch",), "standard": ("torch", "keras", "jax")}
LIBRARIES: Final = {"torch": ("torch",), "keras": ("tensorflow",), "jax": ("jax",)}


def jobs(scale: str) -> list[Job]:
    """Each decay of the step size, and what the frameworks' derivatives are at 0."""
    module = "experiments.papers.theorems.critical_points"
    common = {"alpha": ALPHA, "beta": BETA, "initial": INITIAL, "runs": RUNS, "seed": 0}
    common["steps"] = STEPS.get(scale, STEPS["standard"])
    frameworks = DERIVATIVES.get(scale, DERIVATIVES["standard"])
    return [
        *(Job(f"{module}:run", common | {"power": power}) for power in POWERS),
        *(Job(f"{module}:run_derivatives", {"framework": f}, libraries=LIBRARIES[f]) for f in frameworks),
    ]


def run(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Distances to the D-critical points and energies of all runs, by how they start."""
    steps, runs = configuration["steps"], configuration["runs"]
    alpha, beta = configuration["alpha"], configuration["beta"]
    generator = np.random.default_rng(configuration["seed"])
    starts = generator.standard_normal((len(GROUPS), runs, 2))
    starts[1, :, 0] = 0.0
    starts[2] = 0.0
    starts[3, :, 0] = BESIDE
    recorded = sorted({round(k) for k in np.geomspace(1, steps, 120)})
    schedule = PowerDecay(configuration["initial"], configuration["power"])
    path = regression.follow(schedule, starts.reshape(-1, 2), alpha, beta, recorded, configuration["seed"] + 1)
    theta = path.theta.reshape(len(path.steps), len(GROUPS), runs, 2)
    distances = np.linalg.norm(theta[..., None, :] - _d_critical_points(), axis=-1)
    nearest = distances[-1].argmin(axis=-1)
    arrived = distances[-1].min(axis=-1) < NEAR
    # The mean of J_B is a share of J, and it is that loss whose system the steps approximate.
    loss = regression.SHARE * regression.loss(path.theta)
    energy = energies(loss, (path.velocity**2).sum(axis=-1), alpha, beta).total.reshape(theta.shape[:3])
    groups = {}
    for i, group in enumerate(GROUPS):
        ends = [int(np.count_nonzero(arrived[i] & (nearest[i] == point))) for point in range(4)]
        spread = np.quantile(distances[:, i].min(axis=-1), (0.5, 0.0, 1.0), axis=1)
        groups[group] = {
            "ends": ends,
            "distance": spread.tolist(),
            "distance_to_critical": np.median(distances[:, i, :, -1], axis=1).tolist(),
            "energy": np.median(energy[:, i], axis=1).tolist(),
        }
    at_end = np.full(2, regression.CRITICAL)
    limit = energies(regression.SHARE * regression.loss(at_end), 0.0, alpha, beta).total
    last = [schedule(k) for k in path.steps]
    return {"steps": path.steps.tolist(), "step_sizes": last, "groups": groups, "energy_limit": float(limit)}


def _d_critical_points() -> np.ndarray:
    return np.array([(a, b) for a in regression.D_CRITICAL for b in regression.D_CRITICAL])


def run_derivatives(configuration: Mapping[str, Any]) -> dict[str, float]:
    """What a framework's automatic differentiation says at 0."""
    functions: dict[str, Any] = {
        "relu(x) − relu(−x)": lambda relu, x: relu(x) - relu(-x),
        "relu(x) − relu(−x) − x": lambda relu, x: relu(x) - relu(-x) - x,
        "½(relu(x) − relu(−x) − 1)²": lambda relu, x: 0.5 * (relu(x) - relu(-x) - 1) ** 2,
    }
    match configuration["framework"]:
        case "torch":
            torch = import_module("torch")
            zero = torch.zeros((), requires_grad=True)
            return {n: float(torch.autograd.grad(f(torch.relu, zero), zero)[0]) for n, f in functions.items()}
        case "jax":
            jax = import_module("jax")
            return {n: float(jax.grad(lambda x, f=f: f(jax.nn.relu, x))(0.0)) for n, f in functions.items()}
    tf = import_module("tensorflow")
    found = {}
    for name, function in functions.items():
        zero = tf.Variable(0.0)
        with tf.GradientTape() as tape:
            value = function(tf.nn.relu, zero)
        found[name] = float(tape.gradient(value, zero))
    return found


TRUE_DERIVATIVES: Final = (1.0, 0.0, -1.0)


def report(results: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """Figure, CSV and tables."""
    runs, derivatives = results[: len(POWERS)], results[len(POWERS) :]
    rows = [
        {"power": power, "start": group, "step": k, "step_size": f"{size:.5g}"}
        | {
            name: f"{spread[i]:.5g}"
            for i, name in enumerate(("median_distance", "least", "largest", "median_distance_to_critical"))
        }
        | {"median_energy": f"{energy:.6g}"}
        for power, result in zip(POWERS, runs, strict=True)
        for group, of_group in result["groups"].items()
        for k, size, energy, spread in zip(
            result["steps"],
            result["step_sizes"],
            of_group["energy"],
            zip(*of_group["distance"], of_group["distance_to_critical"], strict=True),
            strict=True,
        )
    ]
    write_csv(folder / "critical_points.csv", rows)
    _draw(runs, folder / "critical_points")
    header = ["start", "q", "at (½, ½)", "at (0, ½)", "at (½, 0)", "at (0, 0)", "on the way"]
    header += ["median distance", "the largest", "distance over √γ_k"]
    table = []
    for group in GROUPS:
        for power, result in zip(POWERS, runs, strict=True):
            of_group = result["groups"][group]
            both_zero, second, first, both = of_group["ends"]
            median, _, largest = (values[-1] for values in of_group["distance"])
            counts = [both, second, first, both_zero, RUNS - sum(of_group["ends"])]
            numbers = [f"{value:.2g}" for value in (median, largest, median / np.sqrt(result["step_sizes"][-1]))]
            table.append([group, f"{power:g}", *map(str, counts), *numbers])
    frameworks = DERIVATIVES["standard"][: len(derivatives)]
    second_table = [
        [name, f"{true:g}", *(f"{found[name]:g}" for found in derivatives)]
        for name, true in zip(derivatives[0], TRUE_DERIVATIVES, strict=True)
    ]
    return (
        f"Where {RUNS} runs of each kind are after {runs[0]['steps'][-1]} steps with γ_k = {INITIAL:g}(k + 1)^(−q), "
        f"α = {ALPHA:g}, β = {BETA:g}; *at* means within {NEAR:g}:\n\n{markdown_table(header, table)}\n\n"
        "Derivatives at 0 by automatic differentiation:\n\n"
        f"{markdown_table(['function', 'true', *frameworks], second_table)}"
    )


def _draw(runs: Sequence[Mapping[str, Any]], path: Path) -> None:
    with drawing(path, rows=3, height=9) as (_, axes):
        first, second, third = axes.flat
        for i, (power, result) in enumerate(zip(POWERS, runs, strict=True)):
            steps, of_group = result["steps"], result["groups"]["random"]
            first.loglog(steps, of_group["distance"][0], color=f"C{i}", label=f"q = {power:g}")
            first.loglog(steps, np.sqrt(result["step_sizes"]), color=f"C{i}", linestyle=":", linewidth=0.8)
            second.semilogx(steps, of_group["energy"], color=f"C{i}", label=f"q = {power:g}")
        second.axhline(runs[0]["energy_limit"], color="black", linestyle=":", label="E at (½, ½)")
        for i, (group, of_group) in enumerate(runs[1]["groups"].items()):
            third.loglog(runs[1]["steps"], of_group["distance_to_critical"], color=f"C{i}", label=f"start: {group}")
        first.set(title="random starts; dotted: √γ_k", ylabel="median distance\nto D-critical points")
        second.set(title="random starts", ylabel="median of E")
        third.set(title=f"q = {POWERS[1]:g}", xlabel="step", ylabel="median distance\nto the critical point")
        for axis in axes.flat:
            axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
            axis.grid(alpha=0.25)
