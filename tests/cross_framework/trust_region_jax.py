"""The trust region in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.lib.jax_releases import enable_x64
from indian_jax import CompositeLoss
from indian_jax.ellipsoidal_trust_region import trust_region
from tests.cross_framework.trust_region_cases import (
    CLASSES,
    INPUTS,
    PROBLEMS,
    TrustRegionCase,
    TrustRegionRun,
    run_of,
)


def run(case: TrustRegionCase) -> TrustRegionRun:
    """Run a case in one compiled program."""
    with enable_x64(True):
        transformation = trust_region(**case.hyperparameters)
        parameters = [jnp.asarray(array) for array in PROBLEMS[case.problem].start]
        value_fn = _VALUES[case.problem]

        def step(carry, _):
            parameters, state = carry
            value, grad = jax.value_and_grad(value_fn)(parameters)
            updates, state = transformation.update(grad, state, parameters, value=value, grad=grad, value_fn=value_fn)
            parameters = optax.apply_updates(parameters, updates)
            return (parameters, state), (jnp.concatenate([p.ravel() for p in parameters]), state.report)

        begun = parameters, transformation.init(parameters)
        _, (thetas, reports) = jax.jit(lambda begun: jax.lax.scan(step, begun, length=case.steps))(begun)
        reports = [jax.tree.map(lambda values, k=k: values[k], reports) for k in range(case.steps)]
        return run_of(list(np.asarray(thetas)), reports)


def _rosenbrock(parameters):
    (x,) = parameters
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def _saddle(parameters):
    (w,) = parameters
    return w[0] ** 2 - w[1] ** 2 + w[1] ** 4


def _network(parameters):
    kernel, bias, last_kernel, last_bias = parameters
    return jnp.tanh(INPUTS @ kernel + bias) @ last_kernel + last_bias


def _cross_entropy(logits):
    return optax.softmax_cross_entropy_with_integer_labels(logits, CLASSES).mean()


_VALUES = {"Rosenbrock": _rosenbrock, "saddle": _saddle, "network": CompositeLoss(_network, _cross_entropy)}
