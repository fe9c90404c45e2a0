"""INDIAN with the right hyperparameters is the framework's own SGD with momentum: an oracle that is not ours."""

import numpy as np
import pytest

from indian_core import from_momentum_sgd
from indian_core.schedules import Constant
from tests.cross_framework.cases import Case, Hyperparameters
from tests.cross_framework.implementations import VARIANTS, parametrize_implementations
from tests.cross_framework.processes import call

LEARNING_RATES = {"quadratic": 0.1, "logistic regression": 0.05}


@pytest.mark.slow
@pytest.mark.parametrize("nesterov", [False, True], ids=["heavy ball", "Nesterov"])
@pytest.mark.parametrize("momentum", [0.5, 0.875])  # exact in float32, to which Keras rounds it on TensorFlow
@pytest.mark.parametrize("problem", LEARNING_RATES)
@parametrize_implementations()
def test_is_the_frameworks_own_momentum_sgd(implementation, problem, momentum, nesterov, record_difference):
    learning_rate = LEARNING_RATES[problem]
    settings = from_momentum_sgd(learning_rate, momentum, nesterov=nesterov)
    group = Hyperparameters(settings.alpha, settings.beta, settings.initial_speed)
    case = Case(problem, Constant(settings.learning_rate), (group, group), 1_000)
    ours = call(implementation, "run", "run", case, VARIANTS[implementation][0]).theta
    theirs = call(implementation, "run", "run_momentum_sgd", case, learning_rate, momentum, nesterov)
    found = float(np.max(np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)))
    record_difference("float64, against its own SGD with momentum", implementation, problem, found)
    assert found <= 1e-12
