"""The damped optimizers walk one path, and without damping that of AdamW and SGD as PyTorch and Optax ship them."""

import numpy as np
import pytest

from tests.cross_framework.damped_cases import DAMPED_CASES, OWN_CASES, damped_oracle
from tests.cross_framework.implementations import parametrize_runs
from tests.cross_framework.processes import call

OWN = ("PyTorch", "Optax")
"""Those whose module `damped_X` has the function `run_own`."""

BOUND = 1e-12


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.max(np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)))


@parametrize_runs(DAMPED_CASES, fast=DAMPED_CASES)
def test_the_damped_optimizers_follow_the_formula(implementation, variant, case, record_difference):
    found = _difference(call(implementation, "damped", "run", case, variant), damped_oracle(case))
    record_difference("float64, damping form", f"{implementation}, {variant}", case.problem, found)
    assert found <= BOUND


@pytest.mark.slow
@parametrize_runs(OWN_CASES)
@pytest.mark.parametrize("own", OWN)
def test_without_damping_they_are_the_adamw_and_sgd_of_pytorch_and_optax(
    implementation, variant, own, case, record_difference
):
    found = _difference(call(implementation, "damped", "run", case, variant), call(own, "damped", "run_own", case))
    kind = f"float64, damping form, against {own}'s own"
    record_difference(kind, f"{implementation}, {variant}", case.problem, found)
    assert found <= BOUND
