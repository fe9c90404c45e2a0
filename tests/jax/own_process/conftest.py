"""Tests that need a process of their own, with 8 devices and with JAX under Keras; `test_own_process.py` starts it."""

import os

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh

DEVICES = 8

if f"device_count={DEVICES}" not in os.environ.get("XLA_FLAGS", "") or os.environ.get("KERAS_BACKEND") != "jax":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def mesh() -> Mesh:
    """Devices in 2 rows, "data", and 4 columns, "model"; the compiler decides how to shard what is not told."""
    return jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto,) * 2)


@pytest.fixture
def explicit_mesh() -> Mesh:
    """All devices along "model"; an array's sharding is part of its type."""
    return jax.make_mesh((DEVICES,), ("model",), axis_types=(AxisType.Explicit,))


@pytest.fixture
def initial() -> dict[str, np.ndarray]:
    """The parameters of a network from 8 numbers to 1."""
    generator = np.random.default_rng(1)
    return {
        "hidden": (generator.standard_normal((8, 16)) / 3).astype(np.float32),
        "bias": np.zeros(16, np.float32),
        "output": (generator.standard_normal((16, 1)) / 4).astype(np.float32),
    }
