"""Worker processes of the tests, which end with the test run, however it ends."""

import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


def start_worker(environment: dict[str, str] | None = None) -> ProcessPoolExecutor:
    """An executor with one fresh process, which starts at the first call.

    The process ends with `shutdown`, and also if its parent is killed before that. (A bare `ProcessPoolExecutor` waits
    for its parent's next call forever: it holds both ends of the pipe itself.)

    Args:
        environment: Variables to set in the process before it imports anything for a call.
    """
    return ProcessPoolExecutor(1, get_context("spawn"), _start, (environment or {},))


def _start(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
