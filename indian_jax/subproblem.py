"""The step of the trust region: the core's scalars, with trees of arrays for vectors, in loops of `jax.lax`."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from indian_core.trust_region import Hyperparameters, Termination, lanczos, model, steihaug
from indian_jax.curvature import Product
from indian_jax.ellipsoid import Ellipsoid, add_scaled, dot, indices, scaled, zeros_like

__all__ = ["Problem", "Solution", "solve"]


class Problem(NamedTuple):
    """Minimize gᵀs + ½ sᵀBs in the ellipsoid ‖s‖ <= Δ.

    Attributes:
        gradient: g.
        product: v ↦ Bv; None for B = 0.
        ellipsoid: With A.
        radius: Δ.
        loss: L(w).
        eps: Of the vectors' dtype.
        loss_eps: Of the loss' dtype.
    """

    gradient: optax.Params
    product: Product | None
    ellipsoid: Ellipsoid
    radius: jax.Array
    loss: jax.Array
    eps: float
    loss_eps: float


class Solution(NamedTuple):
    """A step; the scalars as in `indian_core.trust_region.Report`.

    Attributes:
        step: s.
        step_norm: ‖s‖.
        gradient_norm: ‖g‖.
        model_decrease: −(gᵀs + ½ sᵀBs).
        iterations: Of the method that found it.
        termination: How that method ended.
        negative_curvature: Whether it met a direction of curvature <= 0.
        products: With B, that were made.
    """

    step: optax.Params
    step_norm: jax.Array
    gradient_norm: jax.Array
    model_decrease: jax.Array
    iterations: Any = 0
    termination: Any = Termination.BOUNDARY
    negative_curvature: Any = False
    products: Any = 0


def solve(problem: Problem, rules: Hyperparameters) -> Solution:
    """The step, by the method that the rules choose."""
    if problem.product is None:
        return _first_order(problem)
    return (_steihaug if rules.subproblem == "steihaug" else _lanczos)(problem, problem.product, rules)


def _first_order(problem: Problem) -> Solution:
    gradient, ellipsoid = problem.gradient, problem.ellipsoid
    length = model.first_order_length(jnp.sqrt(ellipsoid.dual_squared(gradient)), problem.radius, xp=jnp)
    found = _measured(problem, scaled(-length, ellipsoid.preconditioned(gradient)), None)
    end = jnp.where(found.model_decrease > 0, int(Termination.BOUNDARY), int(Termination.CONVERGED))
    return found._replace(termination=end)


def _steihaug(problem: Problem, product: Product, rules: Hyperparameters) -> Solution:
    gradient, ellipsoid = problem.gradient, problem.ellipsoid

    def iteration(carry: Any) -> Any:
        state, step, residual, direction = carry
        image = product(direction)
        state, length = steihaug.step_length(
            state,
            dot(direction, image, ellipsoid.dtype),
            ellipsoid.inner(step, direction),
            ellipsoid.inner(direction, direction),
            problem.radius,
            xp=jnp,
        )
        step, residual = add_scaled(step, length, direction), add_scaled(residual, length, image)
        state, momentum = steihaug.next_direction(state, ellipsoid.dual_squared(residual), rules.max_iterations, xp=jnp)
        direction = jax.tree.map(jnp.subtract, scaled(momentum, direction), ellipsoid.preconditioned(residual))
        return _strong(state, ellipsoid.dtype), step, residual, direction

    squared = ellipsoid.dual_squared(gradient)
    state = steihaug.start(squared, tolerance=rules.tolerance, eps=problem.eps, xp=jnp)
    direction = jax.tree.map(jnp.negative, ellipsoid.preconditioned(gradient))
    begun = (_strong(state, ellipsoid.dtype), zeros_like(gradient), gradient, direction)
    state, step, residual, _ = jax.lax.while_loop(_runs, iteration, begun)
    return _measured(problem, step, jax.tree.map(jnp.subtract, residual, gradient))._replace(
        iterations=state.iterations,
        termination=state.termination,
        negative_curvature=state.termination == Termination.NEGATIVE_CURVATURE,
        products=state.iterations,
    )


def _lanczos(problem: Problem, product: Product, rules: Hyperparameters) -> Solution:
    ellipsoid, gradient_norm = problem.ellipsoid, jnp.sqrt(problem.ellipsoid.dual_squared(problem.gradient))
    constants: dict[str, Any] = {"tolerance": rules.tolerance, "eps": problem.eps, "xp": jnp}

    def start(from_probe: jax.Array) -> optax.Params:
        def steepest() -> optax.Params:
            return scaled(lanczos.normalized(gradient_norm, xp=jnp), ellipsoid.preconditioned(problem.gradient))

        # In a branch, for the compiler to keep neither of them.
        return jax.lax.cond(from_probe, lambda: _probe(ellipsoid, problem.gradient), steepest)

    def begun(norm: jax.Array, wanted: jax.Array) -> lanczos.LanczosState:
        return _strong(lanczos.start_lanczos(norm, rules.max_iterations, wanted=wanted, **constants), ellipsoid.dtype)

    def iteration(carry: Any) -> Any:
        state, before, vector, coupling = carry
        rest = add_scaled(ellipsoid.preconditioned(product(vector)), -coupling, before)
        entry = ellipsoid.inner(rest, vector)
        rest = add_scaled(rest, -entry, vector)
        coupling = ellipsoid.norm(rest)
        state = lanczos.extend(state, entry, coupling, problem.radius, **constants)
        return _strong(state, ellipsoid.dtype), vector, scaled(lanczos.normalized(coupling, xp=jnp), rest), coupling

    def run(previous: lanczos.LanczosState, from_probe: jax.Array) -> Any:
        wanted = lanczos.needs_probe(previous, problem.loss, eps=problem.loss_eps, xp=jnp)
        state = begun(
            jnp.where(from_probe, 0 * gradient_norm, gradient_norm), jnp.where(from_probe, wanted, gradient_norm != 0)
        )
        vector = start(from_probe)
        state, *_ = jax.lax.while_loop(_runs, iteration, (state, zeros_like(vector), vector, 0 * gradient_norm))
        return state, state

    # Both runs are one loop, for the compiler to see the product once.
    _, runs = jax.lax.scan(run, begun(gradient_norm, gradient_norm != 0), jnp.array([False, True]))
    first, second = (jax.tree.map(lambda field, i=i: field[i], runs) for i in range(2))
    state, escaped = lanczos.choose(first, second, xp=jnp)
    step, image = _combination(problem, product, state, start(escaped))
    iterations = first.iterations + second.iterations
    return _measured(problem, step, image)._replace(
        iterations=iterations,
        termination=state.termination,
        negative_curvature=state.negative_curvature,
        products=iterations + state.iterations,
    )


def _combination(
    problem: Problem, product: Product, state: lanczos.LanczosState, start: optax.Params
) -> tuple[optax.Params, optax.Params]:
    """s and Bs, in a second run that makes the basis of the Krylov space again."""
    coefficients = lanczos.solution(state, problem.radius, eps=problem.eps, xp=jnp).coefficients

    def iteration(j: Any, carry: Any) -> Any:
        step, before, vector, _ = carry
        step = add_scaled(step, coefficients[j], vector)
        # The last product is that with the step.
        image = product(_where(j + 1 == state.iterations, step, vector))
        coupling = jnp.where(j > 0, state.off_diagonal[j - 1], 0.0)
        rest = add_scaled(problem.ellipsoid.preconditioned(image), -coupling, before)
        rest = add_scaled(rest, -state.diagonal[j], vector)
        return step, vector, scaled(lanczos.normalized(state.off_diagonal[j], xp=jnp), rest), image

    nothing = zeros_like(start)
    step, _, _, image = jax.lax.fori_loop(0, state.iterations, iteration, (nothing, nothing, start, nothing))
    return step, image


def _probe(ellipsoid: Ellipsoid, like: optax.Params) -> optax.Params:
    """A start that knows nothing of the gradient, of length 1 in the ellipsoid's norm."""
    probe = jax.tree.map(
        lambda index, leaf, diagonal: lanczos.probe(index).astype(leaf.dtype) / jnp.sqrt(diagonal),
        indices(like),
        like,
        ellipsoid.diagonal,
    )
    return scaled(lanczos.normalized(ellipsoid.norm(probe), xp=jnp), probe)


def _measured(problem: Problem, step: optax.Params, image: optax.Params | None) -> Solution:
    """The step, brought into the ellipsoid, and its decrease; ``image`` is Bs, None for no curvature."""
    ellipsoid = problem.ellipsoid
    slope = dot(problem.gradient, step, ellipsoid.dtype)
    curvature = 0 * slope if image is None else dot(step, image, ellipsoid.dtype)
    step_norm = ellipsoid.norm(step)
    multiple = model.admissible_multiple(step_norm, slope, problem.radius, eps=problem.eps, xp=jnp)
    return Solution(
        step=scaled(multiple, step),
        step_norm=jnp.abs(multiple) * step_norm,
        gradient_norm=jnp.sqrt(ellipsoid.dual_squared(problem.gradient)),
        model_decrease=model.model_decrease(multiple * slope, multiple * multiple * curvature),
    )


def _runs(carry: Any) -> jax.Array:
    return carry[0].termination == Termination.RUNNING


def _where(condition: jax.Array, x: optax.Params, y: optax.Params) -> optax.Params:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), x, y)


def _strong(state: Any, dtype: Any) -> Any:
    """The scalars of a loop with the dtypes that they keep: as they come, some have that of a Python number."""

    def strong(scalar: jax.Array) -> jax.Array:
        if jnp.issubdtype(scalar.dtype, jnp.floating):
            return scalar.astype(dtype)
        return scalar.astype(jnp.int32 if jnp.issubdtype(scalar.dtype, jnp.integer) else bool)

    return jax.tree.map(strong, state)
