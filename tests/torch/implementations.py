"""The flags of a training loop: how the step is computed, with the same result."""

import pytest

TRAINING: dict[str, dict[str, bool]] = {
    "foreach": {"foreach": True},
    "for_loop": {"foreach": False},
    "fused": {"fused": True},
}

each_implementation = pytest.mark.parametrize("flags", TRAINING.values(), ids=TRAINING)
