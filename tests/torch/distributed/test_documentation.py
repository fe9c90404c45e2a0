"""The blocks of the documentation for several processes run in several processes."""

from pathlib import Path

import pytest

from tests.torch.distributed import training
from tests.torch.distributed.processes import Processes

pytestmark = pytest.mark.xdist_group("distributed")


def test_blocks_of_the_documentation_take_steps(processes: Processes, tmp_path: Path) -> None:
    assert processes.run(2, training.documented, str(tmp_path)) == [[1, 1, 2], [1, 1, 2]]
