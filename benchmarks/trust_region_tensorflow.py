"""The steps and products in Keras on TensorFlow that `benchmarks.trust_region` times."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.trust_region_search import SUBPROBLEMS, TRAINING, Search, timed
from indian_tf import TrustRegion

__all__ = ["tensorflow_search"]


def tensorflow_search(widths: Sequence[int], batch: int, iterations: int) -> Search:
    """The entry of Keras on TensorFlow."""
    random = np.random.default_rng(0)
    x, y = (tf.constant(random.normal(size=(batch, width)), tf.float32) for width in (widths[0], widths[-1]))
    variables = [
        keras.Variable(array.astype("float32"))
        for a, b in pairwise(widths)
        for array in (random.normal(size=(a, b)) / a**0.5, np.zeros(b))
    ]

    def loss() -> Any:
        hidden = x
        for kernel, bias in zip(variables[:-2:2], variables[1:-2:2], strict=True):
            hidden = tf.tanh(hidden @ kernel.value + bias.value)
        return tf.reduce_mean((hidden @ variables[-2].value + variables[-1].value - y) ** 2)

    training = TrustRegion(**TRAINING)
    train = tf.function(lambda: training.minimize(loss, variables))
    for _ in range(10):
        train()
    start = [variable.numpy() for variable in variables]

    def step_of(subproblem: str) -> Callable[[], int]:
        optimizer = TrustRegion(**timed(subproblem, iterations))
        optimizer.build(variables)
        begun = [variable.numpy() for variable in optimizer.variables]
        step = tf.function(lambda: optimizer.minimize(loss, variables))

        def run() -> int:
            for variable, value in zip([*variables, *optimizer.variables], [*start, *begun], strict=True):
                variable.assign(value)
            return int(step().backpropagations)

        return run

    @tf.function
    def bare(vectors: Any) -> Any:
        values = [variable.value for variable in variables]
        with tf.GradientTape() as second:
            with tf.GradientTape() as first:
                value = loss()
            gradient = first.gradient(value, values)
        return second.gradient(gradient, values, output_gradients=vectors)

    vectors = [tf.constant(value) for value in start]
    return Search(
        product=lambda: [part.numpy() for part in bare(vectors)],
        steps={name: step_of(name) for name in SUBPROBLEMS},
    )
