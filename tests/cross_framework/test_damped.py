"""The damped optimizers walk one path, and without damping that of AdamW and SGD as PyTorch and Optax ship them."""

import numpy as np
import pytest

from tests.cross_framework.damped_cases import DAMPED_CASES, OWN_CASES, DampedCase, damped_oracle
from tests.cross_framework.processes import call

IMPLEMENTATIONS = ("Optax", "Keras on TensorFlow", "Keras on JAX", "Keras on PyTorch")
"""Those whose module `damped_X` has the function `run`."""

OWN = ("PyTorch", "Optax")
"""Those whose module `damped_X` has the function `run_own`."""

BOUND = 1e-12


def _parametrize(cases: list[DampedCase]) -> pytest.MarkDecorator:
    parameters = [
        pytest.param(name, case, id=f"{name}: {case}", marks=pytest.mark.xdist_group(name))
        for name in IMPLEMENTATIONS
        for case in cases
    ]
    return pytest.mark.parametrize(("implementation", "case"), parameters, indirect=["case"])


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.max(np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)))


@_parametrize(DAMPED_CASES)
def test_the_damped_optimizers_follow_the_formula(implementation, case, record_difference):
    found = _difference(call(implementation, "damped", "run", case), damped_oracle(case))
    record_difference("float64, damping form", implementation, case.problem, found)
    assert found <= BOUND


@pytest.mark.slow
@_parametrize(OWN_CASES)
@pytest.mark.parametrize("own", OWN)
def test_without_damping_they_are_the_adamw_and_sgd_of_pytorch_and_optax(implementation, own, case, record_difference):
    found = _difference(call(implementation, "damped", "run", case), call(own, "damped", "run_own", case))
    record_difference(f"float64, damping form, against {own}'s own", implementation, case.problem, found)
    assert found <= BOUND
