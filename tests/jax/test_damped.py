"""Damped momentum contains Optax' own SGD and AdamW, takes over their states in mid-run, and goes beyond them."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from indian_core.damping import from_damping
from indian_jax import damped_adamw, damped_sgd, indian, power_decay, scale_by_damped_adam, scale_by_damped_momentum

STEPS = 300
SCHEDULE = optax.warmup_cosine_decay_schedule(0.0, 0.02, 30, STEPS)
SCALES = {"matrix": np.linspace(0.1, 10.0, 6).reshape(2, 3), "bias": np.array(1.0)}
DECAYS = {"matrix": True, "bias": False}


pytestmark = pytest.mark.usefixtures("x64")


def start() -> Any:
    return jax.tree.map(lambda scale: jnp.cos(scale), SCALES)


def gradients(params: Any, k: int) -> Any:
    """Of a quadratic, with noise of its own for each step."""
    return jax.tree.map(lambda scale, p: scale * p + jnp.sin(k + scale), SCALES, params)


def walk(*parts: tuple[optax.GradientTransformation, int]) -> Any:
    """Parameters after these numbers of steps with these transformations; each takes over the state before."""
    params, state, k = start(), None, 0
    for tx, steps in parts:
        state = tx.init(params) if state is None else state
        update = jax.jit(tx.update)
        for _ in range(steps):
            updates, state = update(gradients(params, k), state, params)
            params = optax.apply_updates(params, updates)
            k += 1
    return params


def assert_equal(actual: Any, expected: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "heavy ball": (lambda: optax.sgd(SCHEDULE, 0.9), lambda: damped_sgd(SCHEDULE, 0.9, damping=1.0)),
    "nesterov": (
        lambda: optax.sgd(SCHEDULE, 0.9, nesterov=True),
        lambda: damped_sgd(SCHEDULE, 0.9, nesterov=True),
    ),
    "heavy ball by its flag": (
        lambda: optax.sgd(SCHEDULE, 0.9, nesterov=False),
        lambda: damped_sgd(SCHEDULE, 0.9, nesterov=False),
    ),
    "adamw by its flag": (lambda: optax.adamw(SCHEDULE), lambda: damped_adamw(SCHEDULE, nesterov=False)),
    "nesterov by its damping": (
        lambda: optax.sgd(SCHEDULE, 0.5, nesterov=True),
        lambda: damped_sgd(SCHEDULE, 0.5, damping=1.5),
    ),
    "short memory": (lambda: optax.sgd(SCHEDULE, 0.1), lambda: damped_sgd(SCHEDULE, 0.1, damping=1.0)),
    "no momentum": (lambda: optax.sgd(SCHEDULE), lambda: damped_sgd(SCHEDULE)),
    "momentum of 1": (lambda: optax.sgd(1e-3, 1.0), lambda: damped_sgd(1e-3, 1.0, damping=1.0)),
    "adamw": (
        lambda: optax.adamw(SCHEDULE, 0.9, 0.99, weight_decay=0.1, mask=DECAYS),
        lambda: damped_adamw(SCHEDULE, 0.9, 0.99, weight_decay=0.1, mask=DECAYS, damping=1.0),
    ),
    "adamw, two epsilons": (
        lambda: optax.adamw(SCHEDULE, 0.9, 0.99, eps=1e-2, eps_root=1e-2),
        lambda: damped_adamw(SCHEDULE, 0.9, 0.99, eps=1e-2, eps_root=1e-2, damping=1.0),
    ),
    "adamw, short memory": (lambda: optax.adamw(SCHEDULE, 0.1), lambda: damped_adamw(SCHEDULE, 0.1, damping=1.0)),
    "adamw without momentum": (lambda: optax.adamw(SCHEDULE, 0.0), lambda: damped_adamw(SCHEDULE, 0.0, damping=1.0)),
    "ema": (
        lambda: optax.chain(optax.ema(0.9, debias=True), optax.scale_by_learning_rate(SCHEDULE)),
        lambda: optax.chain(
            scale_by_damped_momentum(0.9, 1.0, average=True, debias=True), optax.scale_by_learning_rate(SCHEDULE)
        ),
    ),
    "ema with its bias": (
        lambda: optax.chain(optax.ema(0.9, debias=False), optax.scale_by_learning_rate(SCHEDULE)),
        lambda: optax.chain(scale_by_damped_momentum(0.9, 1.0, average=True), optax.scale_by_learning_rate(SCHEDULE)),
    ),
}
"""Optax' own, and what equals it."""


@pytest.mark.parametrize("pair", PAIRS)
def test_it_is_optax_own_and_takes_over_in_mid_run(pair: str) -> None:
    theirs, ours = (make() for make in PAIRS[pair])
    expected = walk((theirs, STEPS))
    assert_equal(walk((ours, STEPS)), expected)
    assert_equal(walk((theirs, 70), (ours, 130), (theirs, 100)), expected)


@pytest.mark.slow
def test_adamw_for_two_thousand_steps() -> None:
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.01, 100, 2000)
    theirs = optax.adamw(schedule, 0.9, 0.95, weight_decay=0.1)
    ours = damped_adamw(schedule, 0.9, 0.95, weight_decay=0.1, damping=1.0)
    assert_equal(walk((ours, 2000)), walk((theirs, 2000)))


@pytest.mark.parametrize(("momentum", "damping"), [(0.9, 3.0), (0.95, 7.0), (0.1, 2.0), (0.5, 0.7)])
def test_at_a_constant_rate_it_is_indian_from_rest(momentum: float, damping: float) -> None:
    settings = from_damping(0.02 / (1 - momentum), momentum, damping)
    expected = walk((indian(**settings._asdict()), STEPS))
    assert_equal(walk((damped_sgd(0.02, momentum, damping=damping), STEPS)), expected, 1e-11)


@pytest.mark.parametrize("momentum", [0.9, 0.1])
def test_the_order_of_innaprop_is_a_chain(momentum: float) -> None:
    chain = optax.chain(
        optax.scale_by_rms(0.99, 1e-8, eps_in_sqrt=False, bias_correction=True),
        scale_by_damped_momentum(momentum, 3.0, average=True, debias=True),
        optax.scale_by_learning_rate(SCHEDULE),
    )
    ours = damped_adamw(SCHEDULE, momentum, 0.99, weight_decay=0.0, damping=3.0, order="innaprop")
    assert_equal(walk((ours, STEPS)), walk((chain, STEPS)))


@pytest.mark.parametrize("momentum", [0.9, 0.1])
@pytest.mark.parametrize("damping", [1.0, 1.9, 3.0])
def test_the_order_of_adam_divides_the_damped_average(momentum: float, damping: float) -> None:
    """Written down with Optax' functions: the bias of the average is taken out, and the root divides the sum."""
    nu = (1 - (1 - momentum) * damping) / momentum

    def init(params: Any) -> Any:
        return jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params), jnp.zeros((), int)

    def update(g: Any, state: Any, params: Any = None) -> Any:
        mu, square, count = state
        count = count + 1
        mu = jax.tree.map(lambda m, g: momentum * m + (1 - momentum) * g, mu, g)
        square = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * g**2, square, g)
        direction = jax.tree.map(
            lambda m, v, g: ((1 - nu) * g + nu * m / (1 - momentum**count)) / (jnp.sqrt(v / (1 - 0.99**count)) + 1e-8),
            *(mu, square, g),
        )
        return direction, (mu, square, count)

    by_hand = optax.chain(optax.GradientTransformation(init, update), optax.scale_by_learning_rate(SCHEDULE))
    ours = damped_adamw(SCHEDULE, momentum, 0.99, weight_decay=0.0, damping=damping)
    assert_equal(walk((ours, STEPS)), walk((by_hand, STEPS)))


def test_the_defaults_are_a_share_at_once_and_in_a_norm_nesterovs() -> None:
    assert_equal(walk((damped_sgd(SCHEDULE, 0.95), 20)), walk((damped_sgd(SCHEDULE, 0.95, damping=3.8), 20)))
    assert_equal(walk((damped_sgd(SCHEDULE, 0.5), 20)), walk((damped_sgd(SCHEDULE, 0.5, damping=1.5), 20)))
    assert_equal(walk((damped_adamw(SCHEDULE), 20)), walk((damped_adamw(SCHEDULE, damping=1.9), 20)))


@pytest.mark.parametrize("make", [damped_sgd, damped_adamw])
def test_hyperparameters_may_be_injected(make: Callable[..., Any]) -> None:
    own = {"momentum": 0.9, "accumulator_dtype": None} if make is damped_sgd else {"b1": 0.9, "b2": 0.99}
    static = ("accumulator_dtype", "nesterov") if make is damped_sgd else ("nesterov", "order", "mu_dtype")
    tx = optax.inject_hyperparams(make, static_args=static)(0.02, damping=3.0, **own)
    assert_equal(walk((tx, 50)), walk((make(0.02, damping=3.0, **own), 50)), 1e-9)
    state = tx.init(start())
    assert float(state.hyperparams["damping"]) == 3.0


def test_an_injected_momentum_may_be_zero() -> None:
    """The bias of an average of one gradient is a quotient of zeros before the first step."""
    params = jnp.ones(3)
    for momentum in (0.0, 0.9):
        tx = optax.inject_hyperparams(damped_adamw, static_args=("nesterov", "order", "mu_dtype"))(0.1, b1=momentum)
        updates, _ = jax.jit(tx.update)(params, tx.init(params), params)
        np.testing.assert_allclose(updates, -0.1 * (1 + 1e-4), rtol=1e-6)


def test_complex_parameters_move_as_those_of_optax() -> None:
    params = jnp.array([1.0 + 2.0j, -0.5j])
    theirs, ours = optax.adamw(0.1, weight_decay=0.0), damped_adamw(0.1, weight_decay=0.0, damping=1.0)
    state = theirs.init(params)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        updates, after = ours.update(params, state, params)
    np.testing.assert_allclose(updates, theirs.update(params, state, params)[0], rtol=1e-6)
    assert after[0].mu.dtype == params.dtype


def test_gradients_may_be_none() -> None:
    tx = damped_adamw(0.1)
    params = {"a": jnp.ones(3), "b": jnp.ones(2)}
    updates, state = tx.update({"a": jnp.ones(3), "b": None}, tx.init(params), params | {"b": None})
    assert updates["b"] is None
    assert state[0].mu["b"].shape == (2,)


def test_it_follows_muon() -> None:
    """Before an orthogonalization, in the place of its momentum."""
    tx = optax.chain(
        scale_by_damped_momentum(0.95, 3.0),
        optax.stateless(lambda g, _: jax.tree.map(lambda g: g / (1e-8 + jnp.linalg.norm(g)), g)),
        optax.add_decayed_weights(0.1),
        optax.scale_by_learning_rate(0.01),
    )
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(walk((tx, 20))))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize("make", [lambda: damped_sgd(0.1, 0.9), lambda: damped_adamw(0.1)])
def test_state_and_updates_have_the_dtype_of_the_parameters(make: Callable[[], Any], dtype: Any) -> None:
    tx, params = make(), jnp.ones(3, dtype)
    state = tx.init(params)
    updates, after = tx.update(params, state, params)
    assert updates.dtype == dtype
    assert [leaf.dtype for leaf in jax.tree.leaves(state)] == [leaf.dtype for leaf in jax.tree.leaves(after)]


def test_the_buffer_may_have_a_dtype_of_its_own() -> None:
    assert damped_sgd(0.1, 0.9, accumulator_dtype=jnp.bfloat16).init(jnp.ones(3))[0].trace.dtype == jnp.bfloat16
    state = damped_adamw(0.1, mu_dtype=jnp.bfloat16).init(jnp.ones(3))[0]
    assert (state.mu.dtype, state.nu.dtype) == (jnp.bfloat16, jnp.float64)


@pytest.mark.parametrize("make", [lambda: damped_sgd(power_decay(0.1), 0.9), lambda: damped_adamw(power_decay(0.1))])
def test_strict_modes(make: Callable[[], Any]) -> None:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"), jax.debug_nans(True):
        tx, params = make(), jnp.ones(3, jnp.float32)
        state = tx.init(params)
        for _ in range(2):
            updates, state = jax.jit(tx.update)(params, state, params)
    assert updates.dtype == jnp.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: damped_sgd(0.1, 1.1), ValueError, r"momentum must be a number in \[0, 1\], got 1.1"),
        (lambda: damped_sgd(0.1, 0.9, damping=0.0), ValueError, "damping must be a finite number > 0, got 0"),
        (lambda: damped_sgd(0.1, damping=2.0), ValueError, "damping must be None where momentum is None, got 2.0"),
        (lambda: damped_sgd(0.1, 0.9, True, damping=2.0), ValueError, "damping must be None where nesterov is True"),
        (lambda: damped_adamw(0.1, 1.0), ValueError, r"b1 must be a number in \[0, 1\), got 1.0"),
        (lambda: damped_adamw(0.1, damping="big"), TypeError, "damping must be a finite number > 0, got 'big'"),
        (
            lambda: damped_adamw(0.1, nesterov=False, damping=2.0),
            ValueError,
            "damping must be None where nesterov",
        ),
        (lambda: damped_adamw(0.1, nesterov="no"), TypeError, "nesterov must be"),
        (lambda: damped_sgd(-0.1, 0.9), ValueError, "learning_rate must be a finite number >= 0, got -0.1"),
        (lambda: damped_adamw(float("nan")), ValueError, "learning_rate must be a finite number >= 0, got nan"),
        (lambda: damped_adamw(0.1, weight_decay=-1.0), ValueError, "weight_decay must be a finite number >= 0, got -1"),
        (lambda: damped_adamw(0.1, order="lion"), ValueError, "order must be .*, got 'lion'"),
        (lambda: scale_by_damped_momentum(1.0, average=True), ValueError, r"momentum must be a number in \[0, 1\)"),
        (lambda: scale_by_damped_momentum(debias=True), ValueError, "debias must be False where average is False"),
        (lambda: scale_by_damped_adam(mu_dtype=jnp.int32), TypeError, "mu_dtype must be a floating dtype"),
    ],
)
def test_bad_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_state_of_another_transformation_is_refused() -> None:
    params = jnp.ones(3)
    with pytest.raises(TypeError, match="state must be TraceState, as `init` returns it, got ScaleByAdamState"):
        damped_sgd(0.1, 0.9).update(params, damped_adamw(0.1).init(params)[:2], params)
    with pytest.raises(ValueError, match="gradient must"):
        scale_by_damped_momentum().update(jnp.ones(2), scale_by_damped_momentum().init(params))
