"""Child processes that end with their parent, also if it was killed and could not end them itself.

A child watches a pipe whose other end its parent holds and no other process has. Whatever ends the parent, the
operating system closes that end.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable

__all__ = ["end_pool_worker_with_parent", "end_with_stdin"]


def end_pool_worker_with_parent() -> None:
    """To be called in a new process of `multiprocessing`; an initializer of a pool.

    Ctrl+C reaches parent and children at once. The child ignores it: its parent decides.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("this process was not started by multiprocessing")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_after(parent.join)


def end_with_stdin() -> None:
    """To be called in a process whose parent gave it a pipe as standard input, on which nothing is written."""
    # Not from sys.stdin, whose lock the thread would hold while the interpreter shuts down.
    _end_after(lambda: os.read(0, 1))


def _end_after(wait: Callable[[], object]) -> None:
    def end() -> None:
        wait()
        os._exit(1)

    threading.Thread(target=end, name="end with parent", daemon=True).start()
