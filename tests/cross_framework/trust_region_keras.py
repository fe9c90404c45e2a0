"""The trust region in Keras, on TensorFlow."""

import keras
import numpy as np
import tensorflow as tf

from indian_tf import TrustRegion
from tests.cross_framework.run_keras import floatx
from tests.cross_framework.trust_region_cases import (
    CLASSES,
    INPUTS,
    PROBLEMS,
    TrustRegionCase,
    TrustRegionRun,
    run_of,
)


def run(case: TrustRegionCase) -> TrustRegionRun:
    """Run a case, compiled."""
    with floatx("float64"):
        variables = [keras.Variable(array, dtype="float64") for array in PROBLEMS[case.problem].start]
        optimizer = TrustRegion(**case.hyperparameters)
        returns_output = case.hyperparameters.get("curvature") == "gauss_newton"

        def loss_fn():
            loss, output = _LOSSES[case.problem]([variable.value for variable in variables])
            return (loss, output) if returns_output else loss

        @tf.function
        def step():
            return optimizer.minimize(loss_fn, variables)

        thetas, reports = [], []
        for _ in range(case.steps):
            reports.append(tf.nest.map_structure(lambda tensor: tensor.numpy(), step()))
            thetas.append(np.concatenate([variable.numpy().ravel() for variable in variables]))
        return run_of(thetas, reports)


def _rosenbrock(parameters):
    (x,) = parameters
    return tf.reduce_sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), None


def _saddle(parameters):
    (w,) = parameters
    return w[0] ** 2 - w[1] ** 2 + w[1] ** 4, None


def _network(parameters):
    kernel, bias, last_kernel, last_bias = parameters
    logits = tf.tanh(tf.constant(INPUTS) @ kernel + bias) @ last_kernel + last_bias
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.constant(CLASSES), logits)
    return tf.reduce_mean(losses), logits


_LOSSES = {"Rosenbrock": _rosenbrock, "saddle": _saddle, "network": _network}
