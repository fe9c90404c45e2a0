"""Runs the frameworks side by side, each in a process of its own, so that thread pools and memory do not mix."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import experiments
from experiments.demo.frameworks import FRAMEWORKS
from experiments.demo.optimizers import OPTIMIZERS
from experiments.demo.task import Task
from experiments.demo.training import Run

__all__ = ["FrameworkError", "Report", "run_frameworks"]

Report = Callable[[str, str, int], None]
"""Called with a framework, an optimizer, and how many steps it has taken."""

_ENVIRONMENT: Final = {
    # One thread each, since as many processes run at a time as there are cores; and all on the CPU, in any machine.
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

_ERROR_LINES: Final = 20


class FrameworkError(Exception):
    """Training failed in a framework; the message holds the end of what it wrote to its standard error."""


def run_frameworks(frameworks: Sequence[str], task: Task, folder: Path, report: Report) -> dict[str, dict[str, Run]]:
    """Train with every optimizer in each framework.

    Args:
        frameworks: Keys of `FRAMEWORKS`.
        task: What to train on.
        folder: For the workers' files.
        report: Called at every sign of progress.

    Returns:
        The runs, by optimizer and framework.

    Raises:
        FrameworkError: Training failed; the other frameworks are stopped.
    """
    asyncio.run(_run_all(frameworks, task, folder, report))
    return {
        optimizer: {framework: Run.load(folder / f"{framework}-{optimizer}.npz") for framework in frameworks}
        for optimizer in OPTIMIZERS
    }


async def _run_all(frameworks: Sequence[str], task: Task, folder: Path, report: Report) -> None:
    slots = asyncio.Semaphore(os.cpu_count() or 1)

    async def in_slot(framework: str) -> None:
        async with slots:
            await _run_one(framework, task, folder, report)

    runs = [asyncio.ensure_future(in_slot(framework)) for framework in frameworks]
    try:
        await asyncio.gather(*runs)
    finally:
        # After an error the others still run.
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)


async def _run_one(framework: str, task: Task, folder: Path, report: Report) -> None:
    errors_path = folder / f"{framework}-errors.txt"
    with errors_path.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "experiments.demo.worker", framework, json.dumps(task._asdict()), str(folder)),
            # Nothing is written to it: the worker ends when it is closed.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            cwd=Path(experiments.__path__[0]).parent,
            env=os.environ | _ENVIRONMENT,
        )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            # Frameworks may print lines of their own.
            match line.decode(errors="replace").rstrip().split("\t"):
                case [optimizer, step] if optimizer in OPTIMIZERS:
                    report(framework, optimizer, int(step))
        if await process.wait() != 0:
            lines = errors_path.read_text(encoding="utf-8", errors="replace").splitlines()
            raise FrameworkError(
                "\n".join([f"Training in {FRAMEWORKS[framework].title} failed:", *lines[-_ERROR_LINES:]])
            )
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
