"""Every implementation walks the path of the phase form: θ and ψ at every step."""

from tests.cross_framework.cases import FLOAT32_CASES, FLOAT64_CASES, STRUCTURE_CASES, difference, oracle
from tests.cross_framework.implementations import parametrize_runs
from tests.cross_framework.network import NETWORK_CASES, network_oracle
from tests.cross_framework.processes import call

FLOAT64_BOUND = 1e-12

NETWORK_BOUND = 1e-9

FLOAT32_BOUND = 100 * 2.0**-24
"""The same for all: the largest difference measured, about 54 units of roundoff, with room for other machines."""


@parametrize_runs(FLOAT64_CASES, differentiable=STRUCTURE_CASES)
def test_follows_the_phase_form_in_float64(implementation, variant, case, record_difference):
    found = difference(call(implementation, "run", "run", case, variant), oracle(case))
    record_difference("float64", f"{implementation}, {variant}", case.problem, found)
    assert found <= FLOAT64_BOUND


@parametrize_runs(FLOAT32_CASES)
def test_stays_within_roundoff_of_the_float64_phase_form_in_float32(implementation, variant, case, record_difference):
    found = difference(call(implementation, "run", "run", case, variant), oracle(case))
    record_difference("float32", f"{implementation}, {variant}", case.problem, found)
    assert found <= FLOAT32_BOUND


# A differentiable step is for parameters that are no leaves of the graph, as in every optimizer of torch.optim.
@parametrize_runs(NETWORK_CASES, differentiable=[])
def test_trains_a_network_on_the_path_of_the_phase_form(implementation, variant, case, record_difference):
    found = difference(call(implementation, "network", "train", case, variant), network_oracle(case))
    record_difference("float64, own gradients", f"{implementation}, {variant}", case.problem, found)
    assert found <= NETWORK_BOUND
