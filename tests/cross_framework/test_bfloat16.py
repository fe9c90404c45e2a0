"""With bfloat16 parameters the velocity form stays close to float32; the phase form, its ψ close to θ, does not."""

import dataclasses

import numpy as np
import pytest

from indian_core.schedules import Constant
from tests.cross_framework.cases import Case, Hyperparameters
from tests.cross_framework.implementations import VARIANTS, parametrize_implementations
from tests.cross_framework.processes import call

# Five processes start for it.
pytestmark = pytest.mark.slow

GROUP = Hyperparameters(0.5, 0.1)
CASE = Case("logistic regression", Constant(0.1), (GROUP, GROUP), 300, "bfloat16")
KIND = "bfloat16 against float32, last iterate of 300 steps"


def distance_to_float32(theta: np.ndarray, implementation: str) -> float:
    """The relative distance to the last iterate of the float32 run."""
    case = dataclasses.replace(CASE, dtype="float32")
    expected = call(implementation, "run", "run", case, VARIANTS[implementation][0]).theta[-1]
    return float(np.linalg.norm(theta - expected) / np.linalg.norm(expected))


@parametrize_implementations()
def test_the_velocity_form_stays_close_to_float32(implementation, record_difference):
    theta = call(implementation, "run", "run", CASE, VARIANTS[implementation][0]).theta[-1]
    found = distance_to_float32(theta, implementation)
    record_difference(KIND, implementation, CASE.problem, found)
    assert found < 0.1


@pytest.mark.xdist_group("PyTorch")
def test_the_phase_form_does_not(record_difference):
    found = distance_to_float32(call("PyTorch", "run", "run_phase_form", CASE), "PyTorch")
    record_difference(KIND, "phase form", CASE.problem, found)
    assert found > 0.3
