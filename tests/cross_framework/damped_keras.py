"""Runs of the damped optimizers in Keras, on the backend of this process."""

import keras
import numpy as np

from indian_tf import DampedAdamW, DampedSGD
from tests.cross_framework.damped_cases import NORM_DECAY, NORM_EPSILON, DampedCase, flat
from tests.cross_framework.run_keras import floatx, stepper


def run(case: DampedCase, variant: str) -> np.ndarray:
    """θ after each step, with the compiled step of the backend where it has one."""
    with floatx("float64"):
        variables = [keras.Variable(array, dtype="float64", name=f"v{i}") for i, array in enumerate(case.start())]
        optimizer = _optimizer(case)
        optimizer.exclude_from_weight_decay(var_list=variables[1:])
        optimizer.build(variables)
        step, theta, thetas = stepper([optimizer], variables, []), case.start(), []
        for k, rate in enumerate(case.rates()):
            optimizer.learning_rate = rate
            theta = step(case.gradient(theta, k))
            thetas.append(flat(theta))
        return np.stack(thetas)


def _optimizer(case: DampedCase) -> DampedSGD | DampedAdamW:
    if case.order is None:
        return DampedSGD(case.learning_rate, case.momentum, weight_decay=case.weight_decay, damping=case.damping)
    numbers = (case.learning_rate, case.weight_decay, case.momentum, NORM_DECAY, NORM_EPSILON)
    return DampedAdamW(*numbers, damping=case.damping, order=case.order)
