"""Every implementation of the trust region walks the path of the NumPy loop: iterates, counts and decisions."""

from functools import cache

import numpy as np
import pytest

from indian_core.trust_region import Termination
from tests.cross_framework.processes import call
from tests.cross_framework.trust_region_cases import CASES, CLOSE, EXACT, oracle

IMPLEMENTATIONS = ("PyTorch", "Optax", "Keras on TensorFlow")

BOUND = 1e-9

FAST = {case.problem: index for index, case in reversed(list(enumerate(CASES)))}.values()
"""The first case of each problem is in a fast run."""

each_run = pytest.mark.parametrize(
    ("implementation", "index"),
    [
        pytest.param(
            name,
            index,
            id=f"{name}: {case}",
            marks=[pytest.mark.xdist_group(name), *([] if index in FAST else [pytest.mark.slow])],
        )
        for name in IMPLEMENTATIONS
        for index, case in enumerate(CASES)
    ],
)


@cache
def expected(index):
    return oracle(CASES[index])


@each_run
def test_walks_the_path_of_the_reference(implementation, index, record_difference):
    case = CASES[index]
    found, reference = call(implementation, "trust_region", "run", case), expected(index)
    assert len(found.theta) == case.steps
    # Where a run ends at the origin, the error is that of where it came from.
    scale = np.max(np.linalg.norm(reference.theta, axis=1))
    difference = float(np.max(np.linalg.norm(found.theta - reference.theta, axis=1)) / scale)
    record_difference("float64, trust region", implementation, case.problem, difference)
    assert difference <= BOUND
    for name in EXACT:
        np.testing.assert_array_equal(found.reports[name], reference.reports[name], name)
    for name in CLOSE:
        np.testing.assert_allclose(found.reports[name], reference.reports[name], rtol=1e-6, atol=1e-12, err_msg=name)


def test_cases_meet_every_decision():
    reports = [expected(index).reports for index in range(len(CASES))]
    ends = set(np.concatenate([report["termination"] for report in reports]))
    assert ends == set(Termination) - {Termination.RUNNING, Termination.NOT_FINITE}
    for name in ("accepted", "negative_curvature"):
        assert set(np.concatenate([report[name] for report in reports])) == {True, False}
    assert not any(report["within_rounding"].any() for report in reports)
    assert all(len(report["loss"]) == case.steps for report, case in zip(reports, CASES, strict=True))
