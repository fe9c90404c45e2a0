"""The network in JAX."""

import jax
import jax.numpy as jnp
import optax

from experiments.lib.jax_releases import enable_x64
from indian_jax import indian
from tests.cross_framework.cases import Run
from tests.cross_framework.network import NetworkCase, batch, flatten, initial_parameters, run_of
from tests.cross_framework.run_jax import learning_rate


def train(case: NetworkCase, variant: str) -> Run:
    """Train the network."""
    with enable_x64(True):
        return _train(case)


def _train(case: NetworkCase) -> Run:
    transformation = indian(learning_rate(case.schedule), **case.hyperparameters._asdict())
    parameters = [jnp.asarray(array) for array in initial_parameters()]
    state = transformation.init(parameters)

    @jax.jit
    def step(parameters, state, inputs, classes):
        gradients = jax.grad(_loss)(parameters, inputs, classes)
        updates, state = transformation.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    thetas, velocities = [], []
    for k in range(case.steps):
        parameters, state = step(parameters, state, *batch(k))
        thetas.append(flatten(parameters))
        velocities.append(flatten(state.velocity))
    return run_of(case, thetas, velocities)


def _loss(parameters, inputs, classes):
    kernel, bias, last_kernel, last_bias = parameters
    logits = jax.nn.relu(inputs @ kernel + bias) @ last_kernel + last_bias
    return optax.softmax_cross_entropy_with_integer_labels(logits, classes).mean()
