"""The implementations under test, each with its variants."""

from collections.abc import Sequence

import pytest

from tests.cross_framework.processes import IMPLEMENTATIONS

VARIANTS = {
    "PyTorch": ("foreach", "fused", "for loop", "capturable", "differentiable"),
    "Optax": ("jit",),
    "Keras on TensorFlow": ("compiled",),
    "Keras on JAX": ("compiled",),
    "Keras on PyTorch": ("eager",),
}


def parametrize_implementations() -> pytest.MarkDecorator:
    """Run a test for every implementation, those of one process on one worker."""
    parameters = [pytest.param(name, id=name, marks=_same_worker(name)) for name in IMPLEMENTATIONS]
    return pytest.mark.parametrize("implementation", parameters)


def parametrize_runs(cases: Sequence[object], differentiable: Sequence[object] | None = None) -> pytest.MarkDecorator:
    """Run a test for every case on every variant of every implementation, those of one process on one worker.

    Args:
        cases: The cases.
        differentiable: Those for PyTorch's differentiable variant, if not all: it takes the path of capturable, but for
            how it stores the velocity.
    """
    parameters = [
        pytest.param(name, variant, case, id=f"{name}, {variant}: {case}", marks=_same_worker(name))
        for name in IMPLEMENTATIONS
        for variant in VARIANTS[name]
        for case in (differentiable if variant == "differentiable" and differentiable is not None else cases)
    ]
    return pytest.mark.parametrize(("implementation", "variant", "case"), parameters)


def _same_worker(name: str) -> pytest.MarkDecorator:
    return pytest.mark.xdist_group(name)
