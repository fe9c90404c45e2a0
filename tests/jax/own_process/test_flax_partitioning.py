"""Flax: the partitioning that a network's own annotations ask for reaches the velocity."""

from contextlib import nullcontext
from functools import partial

import jax
import numpy as np
import pytest
from flax import linen, nnx
from flax.training.train_state import TrainState
from jax.sharding import PartitionSpec as P

from tests.jax.regression import INPUTS, mean_squared_error, transformation


class LinenNetwork(linen.Module):
    partitioned: bool

    @linen.compact
    def __call__(self, x):
        initializer = linen.initializers.lecun_normal()
        if self.partitioned:
            initializer = linen.with_partitioning(initializer, (None, "model"))
        hidden = linen.Dense(16, kernel_init=initializer, name="hidden")(x)
        return linen.Dense(1, name="output")(linen.relu(hidden))


class NNXNetwork(nnx.Module):
    def __init__(self, partitioned):
        rngs = nnx.Rngs(0)
        initializer = nnx.initializers.lecun_normal()
        if partitioned:
            initializer = nnx.with_partitioning(initializer, (None, "model"))
        self.hidden = nnx.Linear(8, 16, kernel_init=initializer, rngs=rngs)
        self.output = nnx.Linear(16, 1, rngs=rngs)

    def __call__(self, x):
        return self.output(nnx.relu(self.hidden(x)))


def linen_run(mesh):
    """Kernel and velocity of the first layer after three steps; sharded where there is a mesh."""
    network = LinenNetwork(partitioned=mesh is not None)

    def make():
        params = network.init(jax.random.key(0), INPUTS)["params"]
        return TrainState.create(apply_fn=network.apply, params=params, tx=transformation())

    shardings = linen.get_sharding(jax.eval_shape(make), mesh) if mesh else None
    state = jax.jit(make, out_shardings=shardings)()

    @partial(jax.jit, out_shardings=shardings)
    def train_step(state):
        gradients = jax.grad(lambda params: mean_squared_error(state.apply_fn({"params": params}, INPUTS)))(
            state.params
        )
        return state.apply_gradients(grads=gradients)

    for _ in range(3):
        state = train_step(state)
    params, velocity = linen.unbox((state.params, state.opt_state[1].velocity))
    return params["hidden"]["kernel"], velocity["hidden"]["kernel"]


def nnx_run(mesh):
    """Kernel and velocity of the first layer after three steps; sharded where there is a mesh."""

    @nnx.jit
    def make():
        network = NNXNetwork(partitioned=mesh is not None)
        return network, nnx.Optimizer(network, transformation(), wrt=nnx.Param)

    @nnx.jit
    def train_step(network, optimizer):
        gradients = nnx.grad(lambda network: mean_squared_error(network(INPUTS)))(network)
        optimizer.update(network, gradients)

    with jax.set_mesh(mesh) if mesh else nullcontext():
        network, optimizer = make()
        for _ in range(3):
            train_step(network, optimizer)
    return network.hidden.kernel[...], optimizer.opt_state[1].velocity["hidden"]["kernel"][...]


@pytest.mark.parametrize("run", [linen_run, nnx_run])
def test_velocity_is_partitioned_as_the_kernel_is(mesh, run):
    kernel, velocity = run(mesh)
    assert kernel.sharding.spec == velocity.sharding.spec == P(None, "model")
    expected_kernel, expected_velocity = run(None)
    np.testing.assert_allclose(kernel, expected_kernel, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(velocity, expected_velocity, rtol=1e-5, atol=1e-6)
