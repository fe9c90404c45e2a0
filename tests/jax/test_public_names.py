"""What the package exports, and that its examples can be pasted into an empty session."""

import doctest
import inspect

import pytest

import indian_jax


def test_aliases():
    assert indian_jax.inna is indian_jax.indian
    assert indian_jax.INNA is indian_jax.indian
    assert indian_jax.INNAprop is indian_jax.innaprop


def test_every_exported_name_exists_and_is_documented():
    assert all(inspect.getdoc(getattr(indian_jax, name)) for name in indian_jax.__all__)


@pytest.mark.parametrize(
    "name",
    [
        "indian",
        "innaprop",
        "damped_sgd",
        "damped_adamw",
        "scale_by_damped_momentum",
        "scale_by_damped_adam",
        "phase",
        "trust_region",
        "CompositeLoss",
        "power_decay",
        "logarithmic_decay",
    ],
)
def test_example_runs_without_any_name_given(name):
    function = getattr(indian_jax, name)
    (example,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={})
    assert example.examples
    failures, _ = doctest.DocTestRunner().run(example, clear_globs=False)
    assert failures == 0
