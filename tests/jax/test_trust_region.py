"""What the ellipsoidal trust region guarantees, in float32, and how it behaves in Optax."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from experiments.lib.jax_releases import enable_x64, optax_tree
from indian_core import norms
from indian_core.trust_region import Report, Termination
from indian_core.trust_region.model import cauchy_decrease
from indian_jax import CompositeLoss
from indian_jax._trust_region.curvature import curvature_product
from indian_jax.ellipsoidal_trust_region import TrustRegionState, trust_region

EPS = float(np.finfo(np.float32).eps)

SETTINGS = [("steihaug", None), ("steihaug", "rmsprop"), ("steihaug", "adagrad"), ("lanczos", "rmsprop")]

each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)


class Run(NamedTuple):
    """Stacked over the steps.

    Attributes:
        params: Before each step, and after the last.
        updates: Of each step.
        states: Before each step, and after the last.
    """

    params: Any
    updates: Any
    states: TrustRegionState


def descend(tx, value_fn, params, steps):
    """A run on a function without arguments, to be jitted."""

    def step(carry, _):
        params, state = carry
        value, grad = jax.value_and_grad(value_fn)(params)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=value_fn)
        carry = optax.apply_updates(params, updates), state
        return carry, (*carry, updates)

    begun = params, tx.init(params)
    _, (later, states, updates) = jax.lax.scan(step, begun, length=steps)
    params, states = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), begun, (later, states))
    return Run(params, updates, states)


def run(value_fn, params, steps, **hyperparameters):
    return jax.jit(partial(descend, trust_region(**hyperparameters), value_fn, steps=steps))(params)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def saddle(x):
    """A ridge along y = 0, from which the gradient never points away, and minima at y² = 1/2."""
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4


@cache
def rosenbrock_run(setting):
    subproblem, norm = setting
    start = jnp.asarray(1 + np.linspace(-0.6, 0.9, 6), jnp.float32)
    arrays = run(rosenbrock, start, 40, subproblem=subproblem, norm=norm, radius=0.1, expand_factor=2.0)
    return jax.tree.map(np.asarray, arrays)


def diagonals(taken, norm, decay=0.999, epsilon=1e-8):
    """A of each step, in float64."""
    thetas = taken.params[:-1]
    if norm is None:
        return np.ones_like(thetas, np.float64)
    before = taken.states.accumulator[:-1].astype(np.float64)
    rows = []
    for theta, v, count in zip(thetas, before, taken.states.count, strict=False):
        coefficients = norms.norm_coefficients(norm, int(count) + 1, decay, epsilon)
        rows.append(norms.scale(norms.accumulate(v, gradient(theta), coefficients), coefficients))
    return np.stack(rows)


def gradient(theta):
    return scipy.optimize.rosen_der(theta.astype(np.float64))


@each_setting
def test_reaches_the_minimum_in_float32(setting):
    taken = rosenbrock_run(setting)
    np.testing.assert_allclose(taken.params[-1], 1.0, atol=2e-3)
    assert taken.states.report.loss[-1] < 1e-6


@each_setting
def test_never_leaves_the_ellipsoid(setting):
    taken = rosenbrock_run(setting)
    radius, report = taken.states.report.radius[:-1], taken.states.report
    assert (report.step_norm[1:] <= radius).all()
    lengths = np.sqrt(np.sum(diagonals(taken, setting[1]) * taken.updates.astype(np.float64) ** 2, axis=1))
    # The accumulator is known to float32, and so is the length.
    assert (lengths <= radius * (1 + 4 * EPS)).all()
    on_boundary = np.isin(report.termination[1:], (Termination.BOUNDARY, Termination.NEGATIVE_CURVATURE))
    assert on_boundary.any()
    # The step of Lanczos is a sum of vectors that are orthonormal to rounding alone: 28 units were seen.
    np.testing.assert_allclose(report.step_norm[1:][on_boundary], radius[on_boundary], rtol=40 * EPS)


@each_setting
def test_model_falls_by_at_least_the_cauchy_point(setting):
    taken = rosenbrock_run(setting)
    report = jax.tree.map(lambda field: field[1:], taken.states.report)
    for k, diagonal in enumerate(diagonals(taken, setting[1])):
        if report.within_rounding[k]:
            continue
        theta = taken.params[k]
        steepest = gradient(theta) / diagonal
        curvature = steepest @ scipy.optimize.rosen_hess(theta.astype(np.float64)) @ steepest
        norm = np.sqrt(steepest @ gradient(theta))
        cauchy = cauchy_decrease(norm, curvature, float(taken.states.report.radius[k]))
        assert report.model_decrease[k] >= (1 - 1e-3) * cauchy, k


@each_setting
def test_loss_never_increases_at_accepted_steps(setting):
    report = jax.tree.map(lambda field: field[1:], rosenbrock_run(setting).states.report)
    assert report.accepted.any()
    assert (report.trial_loss[report.accepted] <= report.loss[report.accepted]).all()
    expected = np.where(report.accepted, report.trial_loss, report.loss)
    # Another program computes it there; with JAX 0.12 it differs by 34 EPS.
    np.testing.assert_allclose(report.loss[1:], expected[:-1], rtol=100 * EPS, atol=1e-7)
    assert (np.diff(report.loss) <= 1e-7 + 10 * EPS * report.loss[:-1]).all()


@each_setting
def test_rejected_step_changes_nothing_but_the_radius(setting):
    taken = rosenbrock_run(setting)
    rejected = np.flatnonzero(~taken.states.report.accepted[1:])
    assert len(rejected)
    for k in rejected:
        np.testing.assert_array_equal(taken.updates[k], 0.0)
        np.testing.assert_array_equal(taken.params[k + 1], taken.params[k])
        assert taken.states.count[k + 1] == taken.states.count[k]
        if setting[1]:
            np.testing.assert_array_equal(taken.states.accumulator[k + 1], taken.states.accumulator[k])
    shrink_factor = 1.75 if setting[1] == "rmsprop" else 1.5
    radius = taken.states.report.radius
    np.testing.assert_allclose(radius[rejected + 1] * shrink_factor, radius[rejected], rtol=2 * EPS)


@each_setting
def test_counts_what_it_spends(setting):
    report = rosenbrock_run(setting).states.report
    spent, iterations = np.diff(report.backpropagations), report.iterations[1:]
    if setting[0] == "steihaug":
        np.testing.assert_array_equal(spent, 1 + iterations)
    else:
        assert ((spent > iterations) & (spent <= 1 + 2 * iterations)).all()
    assert (iterations <= 50).all()
    assert report.backpropagations[0] == 0


@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
def test_saddle_is_escaped_with_lanczos(subproblem):
    taken = run(saddle, jnp.array([1.0, 0.0]), 40, subproblem=subproblem, norm=None, radius=0.5, expand_factor=2.0)
    report = taken.states.report
    if subproblem == "steihaug":
        np.testing.assert_allclose(taken.params[-1], 0.0, atol=1e-6)
        assert not report.negative_curvature.any()
    else:
        np.testing.assert_allclose(np.abs(taken.params[-1]), [0.0, np.sqrt(0.5)], atol=1e-3)
        assert report.negative_curvature.any()
        assert report.loss[-1] == pytest.approx(-0.25, abs=1e-6)


@pytest.mark.parametrize("beyond", [jnp.nan, jnp.inf, -jnp.inf])
def test_trial_loss_that_is_not_finite_rejects_the_step(beyond):
    def value_fn(x):
        return jnp.where(jnp.sum(x * x) < 1, jnp.sum((x - 0.5) ** 2) + x[0] ** 4, beyond)

    # The first model leads beyond the circle.
    taken = run(value_fn, jnp.array([-0.9, 0.1]), 30, curvature="none", norm=None, radius=2.5, max_radius=3.0)
    report = taken.states.report
    assert not np.isfinite(report.trial_loss[1])
    assert not report.accepted[1]
    np.testing.assert_array_equal(taken.updates[0], 0.0)
    assert report.radius[1] == pytest.approx(2.5 / 1.5)
    assert np.isfinite(taken.params).all()
    assert report.loss[-1] < report.loss[1] / 4


@pytest.mark.parametrize("curvature", ["none", "hessian"])
def test_gradient_that_is_not_finite_rejects_the_step(curvature):
    taken = run(lambda x: jnp.sum(x * jnp.nan), jnp.ones(2), 2, curvature=curvature)
    report = taken.states.report
    assert not report.accepted.any()
    np.testing.assert_array_equal(taken.params, np.ones((3, 2)))
    np.testing.assert_array_equal(taken.states.accumulator, 0.0)
    if curvature == "hessian":
        assert report.termination[-1] == Termination.NOT_FINITE


@pytest.mark.parametrize(
    "hyperparameters", [{}, {"subproblem": "lanczos"}, {"curvature": "none"}, {"norm": None}], ids=str
)
def test_zero_gradient_stops_cleanly(hyperparameters):
    taken = run(lambda x: jnp.sum(x**2), jnp.zeros(3), 2, **hyperparameters)
    report = taken.states.report
    np.testing.assert_array_equal(taken.params, np.zeros((3, 3)))
    assert (report.termination[1:] == Termination.CONVERGED).all()
    assert report.within_rounding[1:].all()
    np.testing.assert_array_equal(report.radius, report.radius[0])
    if hyperparameters.get("subproblem") != "lanczos":
        np.testing.assert_array_equal(report.iterations, 0)


def test_first_order_step_is_that_of_rmsprop_where_the_radius_is_a_multiple_of_the_gradients_length():
    params, rate = jnp.array([1.0, -2.0, 0.5]), 1e-3
    grad = jax.grad(rosenbrock)(params)
    theirs = optax.scale_by_rms(decay=0.999, eps=1e-8, eps_in_sqrt=False, bias_correction=True)
    expected, _ = theirs.update(grad, theirs.init(params))
    # In the first step A = |g| + ε.
    radius = rate * float(jnp.sqrt(jnp.sum(grad**2 / (jnp.abs(grad) + 1e-8))))
    taken = run(rosenbrock, params, 1, curvature="none", radius=radius)
    np.testing.assert_allclose(taken.updates[0], -rate * expected, rtol=1e-5)


def softmax_loss(logits, classes):
    return optax.softmax_cross_entropy_with_integer_labels(logits, classes).mean()


def network(params, x):
    return jnp.tanh(x @ params["hidden"] + params["bias"]) @ params["output"]


@pytest.fixture(scope="module")
def batch():
    generator = np.random.default_rng(0)
    return {"x": generator.standard_normal((20, 4)).astype(np.float32), "y": generator.integers(3, size=20)}


@pytest.fixture(scope="module")
def network_params():
    generator = np.random.default_rng(1)
    return {
        "hidden": jnp.asarray(generator.standard_normal((4, 5)) / 2, jnp.float32),
        "bias": jnp.zeros(5),
        "output": jnp.asarray(generator.standard_normal((5, 3)) / 2, jnp.float32),
    }


@pytest.mark.parametrize("loss_name", ["cross-entropy", "squared error"])
def test_gauss_newton_product_is_that_of_the_dense_matrices(loss_name, batch, network_params):
    def squared_loss(logits, y):
        return jnp.mean((logits - jax.nn.one_hot(y, 3)) ** 2)

    loss_fn = softmax_loss if loss_name == "cross-entropy" else squared_loss
    flat, unflatten = jax.flatten_util.ravel_pytree(network_params)
    x, classes = batch["x"], batch["y"]
    value_fn = CompositeLoss(network, (lambda z, y: loss_fn(z, y)))
    vector = jnp.asarray(np.random.default_rng(2).standard_normal(flat.size), jnp.float32)

    @jax.jit
    def both(vector):
        product = curvature_product("gauss_newton", value_fn, batch, network_params)
        jacobian = jax.jacobian(lambda flat: network(unflatten(flat), x).ravel())(flat)
        outputs = network(network_params, x).ravel()
        hessian = jax.hessian(lambda z: loss_fn(z.reshape(20, 3), classes))(outputs)
        return jax.flatten_util.ravel_pytree(product(unflatten(vector)))[0], jacobian.T @ (
            hessian @ (jacobian @ vector)
        )

    ours, dense = both(vector)
    np.testing.assert_allclose(ours, dense, rtol=1e-4, atol=1e-5)


def test_gauss_newton_fits_a_batch_and_meets_no_negative_curvature(batch, network_params):
    value_fn = partial(CompositeLoss(network, lambda z, y: softmax_loss(z, y)), **batch)
    tx = trust_region(curvature="gauss_newton", radius=0.1, expand_factor=2.0)

    def step(carry, _):
        params, state = carry
        loss = CompositeLoss(network, lambda z, y: softmax_loss(z, y))
        value, grad = jax.value_and_grad(loss)(params, **batch)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=loss, **batch)
        return (optax.apply_updates(params, updates), state), state.report

    (params, _), report = jax.jit(lambda begun: jax.lax.scan(step, begun, length=25))(
        (network_params, tx.init(network_params))
    )
    assert not report.negative_curvature.any()
    assert report.loss[-1] < 0.2 * report.loss[0]
    assert value_fn(params) <= report.loss[-1] + 1e-6


@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
def test_vmap_over_starts_and_hyperparameters_gives_the_separate_runs(subproblem):
    starts = jnp.array([[-1.2, 1.0], [0.5, 2.0], [1.0, 1.0]])
    settings = jnp.array([[0.1, 2.0, 0.1], [1.0, 1.5, 0.01], [0.01, 1.1, 0.5]])

    @jax.jit
    def end(start, setting):
        tx = trust_region(
            subproblem=subproblem,
            radius=setting[0],
            expand_factor=setting[1],
            tolerance=setting[2],
            max_iterations=4,
        )
        taken = descend(tx, rosenbrock, start, 10)
        return taken.params, taken.states.report

    batched = jax.vmap(end)(starts, settings)
    for k in range(3):
        params, report = jax.tree.map(lambda field, k=k: field[k], batched)
        alone, report_alone = end(starts[k], settings[k])
        np.testing.assert_allclose(params, alone, rtol=1e-3, atol=1e-5)
        np.testing.assert_array_equal(report.accepted, report_alone.accepted)
        np.testing.assert_array_equal(report.iterations[:8], report_alone.iterations[:8])


def test_donated_buffers_give_the_same_step(batch, network_params, assert_trees_close):
    tx = trust_region(radius=0.1)

    def step(params, state):
        value_fn = partial(CompositeLoss(network, lambda z, y: softmax_loss(z, y)), **batch)
        value, grad = jax.value_and_grad(value_fn)(params)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=value_fn)
        return optax.apply_updates(params, updates), state

    begun = network_params, tx.init(network_params)
    expected = jax.jit(step)(*begun)
    donated = jax.tree.map(jnp.copy, begun)
    assert_trees_close(jax.jit(step, donate_argnums=(0, 1))(*donated), expected)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(donated[0]))


def compiled_step(tx, value_fn, params):
    def step(params, state):
        value, grad = jax.value_and_grad(value_fn)(params)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=value_fn)
        return optax.apply_updates(params, updates), state

    return jax.jit(step, donate_argnums=(0, 1)).lower(params, tx.init(params)).compile()


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("hyperparameters", "trees"),
    [({"curvature": "none"}, 6), ({"max_iterations": 50}, 8), ({"max_iterations": 500}, 8)]
    + [({"subproblem": "lanczos", "max_iterations": size}, 12) for size in (5, 20)],
    ids=str,
)
def test_memory_is_a_constant_number_of_trees_of_parameters(hyperparameters, trees):
    params = [jnp.full((300, 300), 0.1), jnp.full((300, 300), 0.2)]
    step = compiled_step(
        trust_region(**hyperparameters), lambda p: jnp.sum(jnp.tanh(jnp.ones(300) @ p[0]) @ p[1]), params
    )
    size = sum(p.nbytes for p in params)
    assert step.memory_analysis().temp_size_in_bytes <= trees * size


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(
    "hyperparameters",
    [{}, {"subproblem": "lanczos"}, {"curvature": "none"}, {"norm": None}, {"norm": "adagrad"}],
    ids=str,
)
def test_state_keeps_its_structure_shapes_and_dtypes(hyperparameters, x64):
    with enable_x64(x64):
        for dtypes in [("float32", "float32"), *([("float64", "float64"), ("float32", "float64")] if x64 else [])]:
            params = {"a": jnp.ones(3, dtypes[0]), "b": [jnp.ones((), dtypes[1]), None]}

            def value_fn(params):
                return jnp.sum(params["a"] ** 4) + params["b"][0] ** 2

            tx = trust_region(**hyperparameters)
            state = tx.init(params)
            update = partial(tx.update, value_fn=value_fn)
            updates, later = jax.eval_shape(
                lambda params, state, update=update: update(params, state, params, value=1.0, grad=params),
                params,
                state,
            )

            def kinds(tree):
                return jax.tree.map(lambda array: (array.shape, array.dtype, array.weak_type), tree)

            assert kinds(later) == kinds(state)
            assert kinds(updates) == kinds(params)
            wide = "float64" in dtypes
            assert state.report.radius.dtype == (jnp.float64 if wide else jnp.float32)


def test_report_is_found_by_name_and_the_radius_can_be_set():
    state = trust_region(radius=0.5).init(jnp.ones(2))
    chain_state = optax.chain(trust_region(radius=0.5)).init(jnp.ones(2))
    for name in Report._fields:
        assert optax_tree.get(state, name).shape == ()
        assert optax_tree.get(chain_state, name).shape == ()
    assert optax_tree.get(chain_state, "radius") == 0.5
    assert optax_tree.get(optax_tree.set(chain_state, radius=jnp.float32(0.25)), "radius") == 0.25


def test_step_is_that_of_the_gradient_whatever_a_chain_does_to_the_updates(assert_trees_equal):
    params = jnp.array([-1.2, 1.0])
    chain = optax.chain(optax.clip_by_global_norm(1e-3), optax.add_decayed_weights(0.1), trust_region(radius=0.1))
    alone = trust_region(radius=0.1)

    @jax.jit
    def step(params, state, chain_state):
        value, grad = jax.value_and_grad(rosenbrock)(params)
        arguments = {"value": value, "grad": grad, "value_fn": rosenbrock}
        return alone.update(grad, state, params, **arguments), chain.update(grad, chain_state, params, **arguments)

    (updates, state), (chained, chain_state) = step(params, alone.init(params), chain.init(params))
    assert_trees_equal((chained, chain_state[-1]), (updates, state))
    assert state.report.accepted


def test_injected_hyperparameters_can_be_changed_between_steps():
    make = optax.inject_hyperparams(trust_region, static_args=("max_iterations", "radius"))
    tx = make(radius=0.1, max_radius=5.0, expand_factor=2.0)
    params = jnp.array([-1.2, 1.0])
    state = tx.init(params)

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(rosenbrock)(params)
        return tx.update(grad, state, params, value=value, grad=grad, value_fn=rosenbrock)

    assert optax_tree.get(step(params, state)[1], "radius") == pytest.approx(0.2)
    state.hyperparams["expand_factor"] = jnp.float32(3.0)
    assert optax_tree.get(step(params, state)[1], "radius") == pytest.approx(0.3)


def test_masked_parameters_stay_out_of_everything():
    params = {"w": jnp.array([3.0, -1.0]), "frozen": jnp.array([2.0, 2.0])}
    tx = optax.masked(
        trust_region(norm="adagrad", radius=0.5), {"w": True, "frozen": False}, mask_compatible_extra_args=True
    )

    def value_fn(params):
        return jnp.sum(params["w"] ** 2 * params["frozen"])

    def with_frozen(masked):
        return value_fn({"w": masked["w"], "frozen": params["frozen"]})

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(value_fn)(params)
        return tx.update(grad, state, params, value=value, grad=grad, value_fn=with_frozen)

    updates, state = step(params, tx.init(params))
    assert isinstance(state.inner_state.accumulator["frozen"], optax.MaskedNode)
    assert state.inner_state.report.accepted
    diagonal = np.abs(4 * np.array([3.0, -1.0]))
    assert np.sqrt(np.sum(diagonal * np.asarray(updates["w"]) ** 2)) == pytest.approx(0.5, rel=1e-5)


def test_every_batch_is_judged_by_itself():
    inputs = jnp.asarray(np.random.default_rng(0).standard_normal((10, 8, 3)), jnp.float32)
    solution = jnp.array([1.0, -2.0, 0.5])
    tx = trust_region(radius=0.1, expand_factor=2.0)

    def value_fn(params, x, *, y):
        return jnp.mean((x @ params - y) ** 2)

    def step(carry, x):
        params, state = carry
        value, grad = jax.value_and_grad(value_fn)(params, x, y=x @ solution)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=value_fn, x=x, y=x @ solution)
        return (optax.apply_updates(params, updates), state), state.report

    begun = jnp.zeros(3), tx.init(jnp.zeros(3))
    (params, _), report = jax.jit(lambda begun: jax.lax.scan(step, begun, jnp.tile(inputs, (3, 1, 1))))(begun)
    np.testing.assert_allclose(params, solution, atol=1e-3)
    # The model of a quadratic is exact. Below this loss, the rounding errors of the residuals are seen in the ratio.
    known = report.loss > 1e-8
    assert known.sum() >= 5
    np.testing.assert_allclose(report.ratio[known], 1.0, atol=1e-3)


@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
def test_a_fresh_state_can_be_donated_and_holds_no_nan(subproblem):
    tx = trust_region(subproblem=subproblem, norm="adagrad", radius=0.5, max_iterations=3)

    def value_fn(params):
        return jnp.sum(params["w"] ** 4) + params["b"] ** 2

    def step(params, state):
        value, grad = jax.value_and_grad(value_fn)(params)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=value_fn)
        return optax.apply_updates(params, updates), state

    params = {"w": jnp.ones(3), "b": jnp.array(1.0)}
    with jax.debug_nans(True):
        state = tx.init(params)
        leaves = jax.tree.leaves(state)
        assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)
        params, state = jax.jit(step, donate_argnums=(0, 1))(params, state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert state.report.accepted


@pytest.mark.thorough
@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
@pytest.mark.parametrize(("norm", "curvature"), [(None, "hessian"), ("rmsprop", "gauss_newton"), ("adagrad", "none")])
def test_the_strict_modes_of_jax_change_nothing(subproblem, norm, curvature):
    tx = trust_region(subproblem=subproblem, norm=norm, curvature=curvature, radius=0.5, max_iterations=4)
    value_fn = CompositeLoss(
        lambda params: jnp.tanh(params["w"]) * params["b"], lambda output: jnp.sum((output - 2) ** 2)
    )

    @jax.jit
    def step(params, state):
        value, grad = jax.value_and_grad(value_fn)(params)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=value_fn)
        return optax.apply_updates(params, updates), state

    def run():
        params = {"w": jnp.array([[1.0, 0.5, -1.0]]), "b": jnp.array(0.5)}
        state = tx.init(params)
        for _ in range(3):
            params, state = step(params, state)
        return params, state

    expected = run()
    step.clear_cache()
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        found = run()
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(one, other)
