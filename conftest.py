"""Names that the docstring examples use, and thread counts, so that three frameworks can share a machine."""

import os
from pathlib import Path

# Before any framework starts its thread pools.
for _variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Most of the time of the tests in JAX goes into compilation: a later run takes the programs from here. One folder for
# each worker, since JAX does not write its files at once.
_programs = Path(__file__).parent / ".pytest_cache" / "jax" / os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_programs))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

pytest_plugins = ["tests.scopes", "tests.cross_framework.parity_report"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the helpers of the tests, which have no examples, just to look for examples in them."""
    helper = collection_path.suffix == ".py" and not collection_path.name.startswith(("test_", "conftest"))
    return True if helper and collection_path.is_relative_to(config.rootpath / "tests") else None


@pytest.fixture(autouse=True)
def _docstring_names(doctest_namespace: dict[str, object]) -> None:
    """Give every docstring example NumPy; the adapters' modules import their own framework."""
    doctest_namespace["np"] = np
