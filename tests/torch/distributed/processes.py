"""A few processes that stay alive and run one function together, as a process group of gloo."""

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import torch.distributed

from tests.processes import start_worker

TIMEOUT = 120.0
"""Seconds after which a process that waits for another one gives up."""


class Processes:
    """Runs functions in the first n of its processes; to start a process takes longer than any of the tests."""

    def __init__(self, number: int) -> None:
        self._executors = [start_worker() for _ in range(number)]
        self._directory = tempfile.TemporaryDirectory()
        self._runs = 0

    def run(self, number: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Call ``function(*arguments)`` in ``number`` processes of one group; returns what each returned."""
        self._runs += 1
        store = Path(self._directory.name, f"store_{self._runs}").as_uri()
        futures = [
            executor.submit(_run, rank, number, store, function, arguments)
            for rank, executor in enumerate(self._executors[:number])
        ]
        return [future.result(2 * TIMEOUT) for future in futures]

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for executor in self._executors:
            executor.shutdown()
        self._directory.cleanup()


def _run(rank: int, number: int, store: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    torch.distributed.init_process_group(
        "gloo", init_method=store, rank=rank, world_size=number, timeout=timedelta(seconds=TIMEOUT)
    )
    try:
        return function(*arguments)
    finally:
        torch.distributed.destroy_process_group()
