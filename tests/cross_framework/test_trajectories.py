"""Every implementation walks the path of the phase form: θ and ψ at every step."""

import numpy as np

from indian_core.schedules import PowerDecay
from tests.cross_framework.cases import (
    FLOAT32_CASES,
    INNAPROP_CASES,
    NORM_CASES,
    NORM_STRUCTURE_CASES,
    SETTINGS_CASES,
    STRUCTURE_CASES,
    difference,
    oracle,
    published_innaprop,
)
from tests.cross_framework.implementations import DEFAULT_VARIANTS, parametrize_runs
from tests.cross_framework.network import NETWORK_CASES, network_oracle
from tests.cross_framework.processes import call

FLOAT64_BOUND = 1e-12

NETWORK_BOUND = 1e-9

FLOAT32_BOUND = 100 * 2.0**-24
"""The same for all: the largest difference measured, about 54 units of roundoff, with room for other machines."""


@parametrize_runs(SETTINGS_CASES + STRUCTURE_CASES, differentiable=STRUCTURE_CASES, fast=STRUCTURE_CASES)
def test_follows_the_phase_form_in_float64(implementation, variant, case, record_difference):
    found = difference(call(implementation, "run", "run", case, variant), oracle(case))
    record_difference("float64", f"{implementation}, {variant}", case.problem, found)
    assert found <= FLOAT64_BOUND


@parametrize_runs(NORM_CASES, differentiable=NORM_STRUCTURE_CASES, fast=NORM_STRUCTURE_CASES)
def test_follows_the_phase_form_in_a_norm(implementation, variant, case, record_difference):
    found = difference(call(implementation, "run", "run", case, variant), oracle(case))
    record_difference("float64, norms", f"{implementation}, {variant}", case.problem, found)
    assert found <= FLOAT64_BOUND


@parametrize_runs(INNAPROP_CASES, variants=DEFAULT_VARIANTS)
def test_follows_innaprop_as_published_where_the_step_size_is_smaller_than_beta(
    implementation, variant, case, record_difference
):
    found = difference(call(implementation, "run", "run", case, variant), published_innaprop(case))
    record_difference("float64, INNAprop as published", f"{implementation}, {variant}", case.problem, found)
    assert found <= FLOAT64_BOUND


def test_innaprop_as_published_breaks_where_the_step_sizes_pass_beta():
    """And the phase form, which every implementation follows in that case, goes on."""
    (case,) = (c for c in NORM_CASES if c.problem == "logistic regression" and c.schedule == PowerDecay(0.3, 0.5))
    assert np.isfinite(oracle(case).theta).all()
    assert not difference(published_innaprop(case), oracle(case)) < 1.0


@parametrize_runs(FLOAT32_CASES, differentiable=FLOAT32_CASES[:1])
def test_stays_within_roundoff_of_the_float64_phase_form_in_float32(implementation, variant, case, record_difference):
    found = difference(call(implementation, "run", "run", case, variant), oracle(case))
    record_difference("float32", f"{implementation}, {variant}", case.problem, found)
    assert found <= FLOAT32_BOUND


# A differentiable step is for parameters that are no leaves of the graph, as in every optimizer of torch.optim.
@parametrize_runs(NETWORK_CASES)
def test_trains_a_network_on_the_path_of_the_phase_form(implementation, variant, case, record_difference):
    found = difference(call(implementation, "network", "train", case, variant), network_oracle(case))
    record_difference("float64, own gradients", f"{implementation}, {variant}", case.problem, found)
    assert found <= NETWORK_BOUND
