"""The implementations under test, each with its variants."""

from collections.abc import Collection, Sequence

import pytest

from tests.cross_framework.processes import IMPLEMENTATIONS

VARIANTS = {
    "PyTorch": ("foreach", "fused", "for loop", "capturable", "differentiable"),
    "Optax": ("jit",),
    "Keras on TensorFlow": ("compiled",),
    "Keras on JAX": ("compiled",),
    "Keras on PyTorch": ("eager",),
}

DEFAULT_VARIANTS = {name: variants[:1] for name, variants in VARIANTS.items()}


def parametrize_implementations() -> pytest.MarkDecorator:
    """Run a test for every implementation, those of one process on one worker."""
    parameters = [pytest.param(name, id=name, marks=_same_worker(name)) for name in IMPLEMENTATIONS]
    return pytest.mark.parametrize("implementation", parameters)


def parametrize_runs(
    cases: Sequence[object],
    *,
    differentiable: Sequence[object] = (),
    fast: Collection[object] = (),
    variants: dict[str, tuple[str, ...]] = VARIANTS,
) -> pytest.MarkDecorator:
    """Run a test for every case on the variants of every implementation, those of one process on one worker.

    Args:
        cases: The cases.
        differentiable: Those for PyTorch's differentiable variant, which takes the path of capturable, except for how
            it stores the velocity.
        fast: Those that are in a fast run, which takes the first steps of each.
        variants: Those of each implementation.
    """
    parameters = [
        pytest.param(
            name,
            variant,
            case,
            id=f"{name}, {variant}: {case}",
            marks=[_same_worker(name)] if case in fast else [_same_worker(name), pytest.mark.slow],
        )
        for name in IMPLEMENTATIONS
        for variant in variants[name]
        for case in (differentiable if variant == "differentiable" else cases)
    ]
    return pytest.mark.parametrize(("implementation", "variant", "case"), parameters, indirect=["case"])


def _same_worker(name: str) -> pytest.MarkDecorator:
    return pytest.mark.xdist_group(name)
