"""The transformation under JAX's own transformations: jit, scan, vmap, grad, eval_shape, donated buffers."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_core.reference import trajectory
from indian_jax import indian, innaprop, logarithmic_decay, phase, power_decay


@pytest.fixture
def params():
    return {"w": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "b": jnp.array(0.5, jnp.float32)}


TRANSFORMATIONS = [
    pytest.param(lambda: indian(0.1, 0.5, 0.1), id="numbers"),
    pytest.param(lambda: indian(power_decay(0.1), 0.5, 0.1), id="schedule"),
    pytest.param(lambda: indian(0.1, 0.5, 0.1, weight_decay=0.1), id="weight decay"),
    pytest.param(lambda: optax.inject_hyperparams(indian)(0.1, 0.5, 0.1, weight_decay=0.1), id="injected"),
    pytest.param(lambda: innaprop(0.1, velocity_dtype=jnp.bfloat16), id="INNAprop"),
]


@pytest.mark.parametrize("make", TRANSFORMATIONS)
def test_jit_gives_the_eager_steps(make, params, assert_trees_close):
    tx = make()
    eager_state = jit_state = tx.init(params)
    jit_update = jax.jit(tx.update)
    for _ in range(3):
        eager, eager_state = tx.update(params, eager_state, params)
        jitted, jit_state = jit_update(params, jit_state, params)
        assert_trees_close(jitted, eager)
        assert_trees_close(jit_state, eager_state)


@pytest.mark.parametrize("make", TRANSFORMATIONS)
def test_state_keeps_its_structure_shapes_and_dtypes(make, params):
    tx = make()

    def kinds(tree):
        return jax.tree.map(lambda array: (array.shape, array.dtype, array.weak_type), tree)

    state = tx.init(params)
    expected = kinds(state)
    assert kinds(jax.eval_shape(tx.init, params)) == expected
    assert kinds(jax.jit(tx.init)(params)) == expected
    assert kinds(tx.update(params, state, params)[1]) == expected
    assert kinds(jax.jit(tx.update)(params, state, params)[1]) == expected
    assert kinds(jax.eval_shape(tx.update, params, state, params)[1]) == expected


@pytest.mark.slow
def test_init_under_jit_gives_zeros(params, assert_trees_equal):
    tx = indian()
    assert_trees_equal(jax.jit(tx.init)(params), tx.init(params))
    assert_trees_equal(tx.init(params).velocity, jax.tree.map(jnp.zeros_like, params))
    assert_trees_equal(tx.init(params).count, jnp.int32(0))


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_scan_over_a_thousand_steps_follows_the_reference(quadratic, run, relative_difference):
    expected = trajectory(quadratic.gradient, quadratic.start, 0.01, 1000, alpha=0.5, beta=0.1)
    actual = run(indian(0.01, 0.5, 0.1), quadratic.gradient, jnp.array(quadratic.start), 1000)
    assert relative_difference(actual.params, expected.theta[1:]) < 1e-12
    np.testing.assert_array_equal(actual.states.count, np.arange(1, 1001))


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("make_rate", [lambda rate: rate, power_decay, logarithmic_decay], ids=["rate", "power", "log"])
def test_vmap_over_hyperparameters_gives_the_separate_runs(quadratic, run, relative_difference, make_rate):
    settings = jnp.array([[0.01, 0.5, 0.1], [0.01, 100.0, 0.05], [0.02, 0.0, 0.01], [0.005, 2.0, 0.5]])
    start = jnp.array(quadratic.start)

    def end(rate, alpha, beta):
        return run(indian(make_rate(rate), alpha, beta, weight_decay=0.1), quadratic.gradient, start, 100)

    batched = jax.vmap(end)(*settings.T)
    for index, (rate, alpha, beta) in enumerate(settings.tolist()):
        separate = end(rate, alpha, beta)
        assert relative_difference(batched.params[index], separate.params) < 1e-12
        assert relative_difference(batched.states.velocity[index], separate.states.velocity) < 1e-12


@pytest.mark.slow
def test_vmap_over_parameters_gives_the_separate_steps(assert_trees_close):
    batch = jnp.arange(6.0).reshape(3, 2)
    tx = indian(0.1, 0.5, 0.1)
    states = jax.vmap(tx.init)(batch)
    updates, states = jax.vmap(tx.update)(batch, states)
    for index, params in enumerate(batch):
        expected, state = tx.update(params, tx.init(params))
        assert_trees_close(updates[index], expected)
        assert_trees_close(jax.tree.map(lambda array, index=index: array[index], states), state)


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((0.01, 0.5, 0.1, 0.1, 1.0), id="usual"),
        pytest.param((0.01, 90.0, 0.05, 0.1, 0.5), id="alpha*gamma near 1"),
        pytest.param((0.01, 1.0, 0.01, 0.0, 0.0), id="gamma=beta"),
    ],
)
def test_gradient_with_respect_to_the_hyperparameters(quadratic, settings):
    start = jnp.array(quadratic.start)

    @jax.jit
    def loss(settings):
        rate, alpha, beta, weight_decay, initial_speed = settings
        tx = indian(rate, alpha, beta, weight_decay=weight_decay, initial_speed=initial_speed)

        def step(carry, _):
            params, state = carry
            updates, state = tx.update(quadratic.gradient(params), state, params)
            return (optax.apply_updates(params, updates), state), None

        (params, _), _ = jax.lax.scan(step, (start, tx.init(start)), length=10)
        return jnp.sum(params**2)

    gradient = jax.grad(loss)(jnp.array(settings))
    for index, value in enumerate(settings):
        width = 1e-6 * max(value, 0.01)
        shift = width * np.eye(len(settings))[index]
        expected = (loss(jnp.array(settings) + shift) - loss(jnp.array(settings) - shift)) / (2 * width)
        np.testing.assert_allclose(gradient[index], expected, rtol=1e-5, atol=1e-6)
        assert gradient[index] != 0


@pytest.mark.slow
def test_injected_learning_rate_changes_without_recompilation(params):
    tx = optax.inject_hyperparams(indian)(0.1, 0.5, 0.1)
    traces = 0

    @jax.jit
    def step(params, state):
        nonlocal traces
        traces += 1
        updates, state = tx.update(params, state, params)
        return optax.apply_updates(params, updates), state

    state = tx.init(params)
    for rate in (0.1, 0.05, 0.01):
        state.hyperparams["learning_rate"] = jnp.asarray(rate, jnp.float32)
        params, state = step(params, state)
    assert traces == 1


@pytest.mark.slow
def test_steps_do_not_recompile(params):
    tx = indian(power_decay(0.1), 0.5, 0.1, weight_decay=0.1)
    update = jax.jit(tx.update)
    state = tx.init(params)
    for _ in range(3):
        updates, state = update(params, state, params)
        params = optax.apply_updates(params, updates)
    assert update._cache_size() == 1


def jit_step(tx):
    def step(params, state, gradients):
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    return jax.jit(step, donate_argnums=(0, 1))


@pytest.mark.slow
def test_donated_buffers(assert_trees_close):
    tx = indian(0.1, 0.5, 0.1)
    gradients = jnp.arange(8.0)
    params = jnp.ones(8)
    expected_updates, expected_state = tx.update(gradients, tx.init(params), params)
    expected_params = optax.apply_updates(params, expected_updates)
    state = tx.init(params)
    actual_params, actual_state = jit_step(tx)(params, state, gradients)
    assert params.is_deleted()
    assert state.velocity.is_deleted()
    assert_trees_close(actual_params, expected_params)
    assert_trees_close(actual_state, expected_state)


# A size of its own, which the optimized program cannot have for anything else.
ROWS, COLUMNS = 251, 491


def training_step(make):
    """One that computes its gradients, as training steps do; the learning rate is an argument of it."""

    def step(params, state, inputs, rate):
        def loss(params):
            return jnp.sum(jnp.tanh(inputs @ params["w"] + params["b"]) ** 2)

        updates, state = make(rate).update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    return step


def matrices(params):
    return jax.tree.map(lambda p: p.ndim > 1, params)


STEPS = {
    "number": lambda rate: indian(0.1),
    "schedule": lambda rate: indian(power_decay(0.1)),
    "argument": lambda rate: indian(rate),
    "schedule of Optax": lambda rate: indian(optax.cosine_decay_schedule(0.1, 100)),
    "schedule, alpha*gamma=1": lambda rate: indian(power_decay(0.1), alpha=10.0),
    "injected": lambda rate: optax.inject_hyperparams(indian)(0.1),
    "injected schedule": lambda rate: optax.inject_hyperparams(indian)(power_decay(0.1), alpha=10.0),
    "alpha*gamma=1": lambda rate: indian(0.1, alpha=10.0),
    "weight decay": lambda rate: indian(0.1, weight_decay=0.1),
    "weight decay, schedule": lambda rate: indian(power_decay(0.1), weight_decay=0.1),
    "weight decay, argument, masked": lambda rate: indian(rate, weight_decay=0.1, mask=matrices),
    "weight decay, injected": lambda rate: optax.inject_hyperparams(indian)(0.1, weight_decay=0.1),
    "clipped": lambda rate: optax.chain(optax.clip_by_global_norm(1.0), indian(rate)),
    "RMSProp norm": lambda rate: innaprop(0.1),
    "RMSProp norm, schedule": lambda rate: innaprop(power_decay(0.1)),
    "RMSProp norm, argument": lambda rate: innaprop(rate),
    "AdaGrad norm": lambda rate: indian(0.1, norm="adagrad"),
}


def compiled_training_step(make):
    params = {"w": jnp.ones((ROWS, COLUMNS)), "b": jnp.ones(COLUMNS)}
    state = make(0.1).init(params)
    step = jax.jit(training_step(make), donate_argnums=(0, 1))
    return step.lower(params, state, jnp.ones((3, ROWS)), 0.1).compile()


def copies(program):
    """Copies of a matrix, or of as many numbers in another shape."""
    shapes = rf"\[(?:{ROWS},{COLUMNS}|{COLUMNS},{ROWS}|{ROWS * COLUMNS})\]"
    assert re.search(shapes, program)
    return re.findall(rf"{shapes}\S* copy\(", program)


FIRST = ("number", "argument", "schedule, alpha*gamma=1", "weight decay, injected", "RMSProp norm, argument")


@pytest.mark.parametrize(
    "make",
    [pytest.param(make, id=name, marks=() if name in FIRST else pytest.mark.slow) for name, make in STEPS.items()],
)
def test_training_step_copies_no_matrix(make):
    compiled = compiled_training_step(make)
    assert not copies(compiled.as_text())
    # The gradient is the one temporary of the size of the parameters, unless it is clipped, or scaled in a conditional,
    # which takes another.
    peer = compiled_training_step(lambda rate: optax.sgd(rate, momentum=0.9, nesterov=True))
    spare = 4 * ROWS * COLUMNS * (make in (STEPS["clipped"], STEPS["RMSProp norm, argument"]))
    used, allowed = (c.memory_analysis().temp_size_in_bytes for c in (compiled, peer))
    assert used <= allowed + spare + 8192


@pytest.mark.slow
def test_copies_are_found_where_there_are_some():
    def old_velocity_beside_the_new_one(rate):
        def update(updates, velocity, params=None):
            moves = jax.tree.map(lambda m, g: rate * m - g, velocity, updates)
            return moves, jax.tree.map(lambda m, g: 0.5 * m - rate * g, velocity, updates)

        return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)

    assert copies(compiled_training_step(old_velocity_beside_the_new_one).as_text())


BOUNDED = {
    "number": lambda: indian(0.1, 0.5, 0.1),
    "number, weight decay": lambda: indian(0.1, 0.5, 0.1, weight_decay=0.1),
    "power": lambda: indian(power_decay(0.1), 0.5, 0.1),
    "power, weight decay": lambda: indian(power_decay(0.1), 0.5, 0.1, weight_decay=0.1),
    "logarithmic": lambda: indian(logarithmic_decay(0.1), 0.5, 0.1),
    "bfloat16 velocity": lambda: indian(0.1, 0.5, 0.1, velocity_dtype=jnp.bfloat16),
    "RMSProp norm": lambda: innaprop(0.1),
    "RMSProp norm, power": lambda: innaprop(power_decay(0.1)),
    "RMSProp norm, bfloat16 state": lambda: innaprop(0.1, velocity_dtype=jnp.bfloat16, norm_dtype=jnp.bfloat16),
    "AdaGrad norm": lambda: indian(0.1, norm="adagrad"),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", BOUNDED.values(), ids=BOUNDED)
def test_step_with_a_bounded_rate_keeps_neither_copies_nor_gradients_in_memory(make):
    # A gradient that is an argument may not be overwritten; where alpha * gamma is known to be small, nothing is.
    params = [jnp.ones((ROWS, COLUMNS))] * 2
    tx = make()
    compiled = jit_step(tx).lower(params, tx.init(params), params).compile()
    assert not copies(compiled.as_text())
    assert "conditional(" not in compiled.as_text()
    assert compiled.memory_analysis().temp_size_in_bytes < ROWS


@pytest.mark.slow
def test_state_is_one_buffer_like_the_parameters():
    params = {"w": jnp.ones((ROWS, COLUMNS)), "b": jnp.ones(COLUMNS, jnp.bfloat16)}
    state = indian().init(params)
    sizes = [sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) for tree in (state, params)]
    assert sizes[0] == sizes[1] + state.count.nbytes == sizes[1] + 4


@pytest.mark.slow
def test_nothing_goes_to_or_from_the_host_during_a_step():
    params = jnp.ones(3)
    step = jax.jit(training_step(STEPS["argument"]))
    arguments = ({"w": jnp.ones((2, 3)), "b": params}, indian().init({"w": jnp.ones((2, 3)), "b": params}))
    inputs, rate = jnp.ones((1, 2)), jnp.float32(0.1)
    with jax.transfer_guard("disallow"):
        for _ in range(2):
            arguments = step(*arguments, inputs, rate)
    jaxpr = str(jax.make_jaxpr(training_step(STEPS["schedule"]))(*arguments, inputs, rate))
    assert "callback" not in jaxpr


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("product", "beta", "weight_decay"),
    [(0.7, 0.1, 0.3), (0.9, 5.0, 0.0), (1 - 1e-9, 1e-3, 0.3), (1.0, 0.1, 0.0), (1.1, 1e-3, 0.0), (1.3, 5.0, 0.3)],
)
def test_traced_rate_follows_the_reference_around_alpha_gamma_1(quadratic, product, beta, weight_decay):
    rate = 0.1
    expected = trajectory(
        quadratic.gradient, quadratic.start, rate, 5, alpha=product / rate, beta=beta, weight_decay=weight_decay
    )

    @jax.jit
    def end(rate, alpha):
        tx = indian(rate, alpha, beta, weight_decay=weight_decay)
        params = jnp.array(quadratic.start)
        state = tx.init(params)
        for _ in range(5):
            updates, state = tx.update(quadratic.gradient(params), state, params)
            params = optax.apply_updates(params, updates)
        return params, phase(params, state, alpha=alpha, beta=beta)

    params, psi = end(rate, product / rate)
    np.testing.assert_allclose(params, expected.theta[-1], rtol=1e-12)
    np.testing.assert_allclose(psi, expected.phase[-1], rtol=1e-12, atol=1e-12 * np.abs(expected.theta).max())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["number", "schedule of Optax", "RMSProp norm"])
def test_leaves_of_one_shape_are_lowered_once(kind):
    tx = STEPS[kind](0.1)

    def operations(leaves):
        params = [jnp.ones((2, 3))] * leaves
        program = jax.jit(tx.update).lower(params, tx.init(params), params).as_text()
        return re.findall(r"stablehlo\.(?:add|multiply|case)", program)

    assert operations(20) == operations(2)


def kernels(kind):
    """The shape of the result and the body of every kernel of a step of ten equal leaves, without names."""
    params = [jnp.ones((ROWS, COLUMNS))] * 10
    tx = STEPS[kind](0.1)
    program = jit_step(tx).lower(params, tx.init(params), params).compile().as_text()
    found = re.findall(r"^%fused_computation\S* \(.*?\) -> (\S+) \{(.*?)^\}", program, re.DOTALL | re.MULTILINE)
    return [(shape, re.sub(r"%[\w.-]+|, metadata=\{.*?\}", "", body)) for shape, body in found]


@pytest.mark.slow
# Each leaf has a kernel for every array that the step writes. The scalars that have one are the count and, if needed,
# the schedule, 1/ρ and the bias correction of the norm.
@pytest.mark.parametrize(
    ("kind", "arrays", "scalars"),
    [("number", 2, 1), ("schedule", 2, 3), ("RMSProp norm", 3, 2), ("RMSProp norm, schedule", 3, 4)],
)
def test_leaves_of_one_shape_share_their_kernels(kind, arrays, scalars):
    # XLA compiles equal kernels once. They are equal if they take their arguments in the same order.
    found = kernels(kind)
    assert len(found) == 10 * arrays + scalars
    assert len(set(found)) == arrays + scalars


@pytest.mark.slow
def test_long_formulas_of_coefficients_are_not_compiled_with_every_leaf():
    bodies = [body for shape, body in kernels("injected") if shape == f"f32[{ROWS},{COLUMNS}]"]
    assert len(bodies) == 30
    assert not re.search(r" (?:divide|subtract|abs)\(", "".join(bodies))


@pytest.mark.slow
def test_eager_steps_compile_nothing_for_other_numbers(params, caplog):
    rates = iter([0.1, 0.1, 0.2, 0.3])
    tx = indian(lambda count: next(rates), 0.5, 0.1)
    state = tx.init(params)
    for _ in range(2):
        updates, state = tx.update(params, state)
    with jax.log_compiles():
        for _ in range(2):
            updates, state = tx.update(params, state)
    assert not caplog.records
    jax.block_until_ready(updates)


@pytest.mark.slow
def test_traced_step_is_exact_where_the_post_form_alone_is_not(relative_difference):
    # αγ = 1 but for a rounding error: dividing by 1 − αγ would leave nothing of θ.
    rate, alpha, beta = 0.01, 100.0000001, 0.05
    gradients = np.array([1.0, -2.0, 3.0])
    expected = trajectory(lambda theta, k: gradients[k : k + 1], np.array([1.0]), rate, 3, alpha=alpha, beta=beta)

    @jax.jit
    def end(rate, alpha, beta):
        tx = indian(rate, alpha, beta)
        params, state = jnp.array([1.0]), tx.init(jnp.array([1.0]))
        for gradient in gradients:
            updates, state = tx.update(jnp.array([gradient], jnp.float32), state)
            params = optax.apply_updates(params, updates)
        return params, phase(params, state, alpha=alpha, beta=beta)

    params, psi = end(rate, alpha, beta)
    assert relative_difference(params, expected.theta[-1]) < 1e-6
    assert relative_difference(psi, expected.phase[-1]) < 1e-6
