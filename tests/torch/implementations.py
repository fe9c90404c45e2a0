"""The flags that choose how a step is computed, with the same result, and the norms that it may be taken in."""

from typing import Any

import pytest

IMPLEMENTATIONS: dict[str, dict[str, Any]] = {
    "default": {"foreach": None, "fused": None},
    "foreach": {"foreach": True, "fused": None},
    "for_loop": {"foreach": False, "fused": None},
    "fused": {"foreach": None, "fused": True},
    "capturable": {"foreach": None, "fused": None, "capturable": True},
    "foreach_capturable": {"foreach": True, "fused": None, "capturable": True},
    "differentiable": {"foreach": None, "fused": None, "differentiable": True},
}
"""``foreach`` and ``fused`` are named by each, so that they can be set back after loading the state of another."""

NORMS: dict[str, dict[str, Any]] = {
    "euclidean": {"norm": None},
    "rmsprop": {"norm": "rmsprop", "norm_decay": 0.9, "norm_epsilon": 1e-3},
    "adagrad": {"norm": "adagrad", "norm_epsilon": 1e-3},
}


def implementations(*names: str, argument: str = "flags") -> pytest.MarkDecorator:
    """Run a test with each of these implementations."""
    return pytest.mark.parametrize(argument, [IMPLEMENTATIONS[name] for name in names], ids=names)


each_implementation = implementations("foreach", "for_loop", "fused")
"""Those of a training loop."""

each_norm = pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)

each_implementation_and_norm = pytest.mark.parametrize(
    "flags",
    [
        *(IMPLEMENTATIONS[name] for name in ("foreach", "for_loop", "fused")),
        IMPLEMENTATIONS["foreach"] | NORMS["adagrad"],
        IMPLEMENTATIONS["fused"] | NORMS["rmsprop"],
    ],
    ids=["foreach", "for_loop", "fused", "foreach_adagrad", "fused_rmsprop"],
)
"""Those of a training loop, some in a norm, for tests that take long."""
