"""The steps and products in JAX that `benchmarks.trust_region` times."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.trust_region_search import SUBPROBLEMS, TRAINING, Search, timed
from indian_jax import trust_region

__all__ = ["jax_search"]


def jax_search(widths: Sequence[int], batch: int, iterations: int) -> Search:
    """The entry of JAX."""
    keys = iter(jax.random.split(jax.random.key(0), 2 + len(widths)))
    x, y = (jax.random.normal(next(keys), (batch, width)) for width in (widths[0], widths[-1]))
    params = [(jax.random.normal(next(keys), (a, b)) / a**0.5, jnp.zeros(b)) for a, b in pairwise(widths)]

    def loss(params: Any) -> jax.Array:
        hidden = x
        for kernel, bias in params[:-1]:
            hidden = jnp.tanh(hidden @ kernel + bias)
        kernel, bias = params[-1]
        return jnp.mean((hidden @ kernel + bias - y) ** 2)

    def step(tx: optax.GradientTransformationExtraArgs, params: Any, state: Any) -> Any:
        value, grad = jax.value_and_grad(loss)(params)
        updates, state = tx.update(grad, state, params, value=value, grad=grad, value_fn=loss)
        return optax.apply_updates(params, updates), state

    training = trust_region(**TRAINING)
    state = training.init(params)
    train = jax.jit(partial(step, training))
    for _ in range(10):
        params, state = train(params, state)

    def step_of(subproblem: str) -> Callable[[], int]:
        tx = trust_region(**timed(subproblem, iterations))
        begun = tx.init(params)
        compiled = jax.jit(partial(step, tx)).lower(params, begun).compile()
        return lambda: int(jax.block_until_ready(compiled(params, begun))[1].report.backpropagations)

    bare = jax.jit(lambda params, vector: jax.jvp(jax.grad(loss), (params,), (vector,))[1])
    return Search(
        product=lambda: jax.block_until_ready(bare(params, params)),
        steps={name: step_of(name) for name in SUBPROBLEMS},
    )
