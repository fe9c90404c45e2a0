"""Times several ways to do one thing in turns, and prints how each compares with its peers."""

import argparse
import gc
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["SIZES", "Report", "cores", "machine", "measure", "options", "table"]

SIZES = {
    "25 M parameters in 10 tensors": (10, 2_500_000),
    "1 M parameters in 200 tensors": (200, 5_000),
}
"""Number of tensors and elements of each: a few large ones, and many small ones."""


def measure(contenders: Mapping[str, Callable[[], object]], *, rounds: int, calls: int = 1) -> dict[str, list[float]]:
    """Seconds per call of each contender, one figure per round.

    In a round each contender has its turn of ``calls`` timed calls, after one that is not timed. The contenders take
    turns because a machine's speed changes over minutes; a ratio within a round is steadier than the times in it.

    Args:
        contenders: What to time, by name. A call must not return before the work is done.
        rounds: Number of rounds >= 1.
        calls: Timed calls per turn >= 1.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    gc_was_on = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            # The order alternates, so that no contender always comes after the same one.
            for name in list(contenders)[:: 1 if turn % 2 == 0 else -1]:
                contenders[name]()
                start = time.perf_counter()
                for _ in range(calls):
                    contenders[name]()
                seconds[name].append((time.perf_counter() - start) / calls)
            gc.collect()
    finally:
        if gc_was_on:
            gc.enable()
    return seconds


def table(seconds: Mapping[str, Sequence[float]], peers: Sequence[str], unit: str = "ms") -> str:
    """A Markdown table: the median time of each contender, and its ratio to each peer.

    A ratio is the median over the rounds of the ratio within a round, with the quartiles in parentheses.

    Args:
        seconds: As from `measure`.
        peers: The names among them to compare with.
        unit: ``"ms"`` or ``"µs"``.
    """
    factor = {"ms": 1e3, "µs": 1e6}[unit]
    lines = ["| " + " | ".join(["", f"median, {unit}", *(f"ratio to {peer}" for peer in peers)]) + " |"]
    lines.append("|---" * (2 + len(peers)) + "|")
    for name, times in seconds.items():
        cells = [name, _three_digits(factor * statistics.median(times))]
        for peer in peers:
            ratios = [own / other for own, other in zip(times, seconds[peer], strict=True)]
            low, middle, high = _quartiles(ratios)
            cells.append("1" if name == peer else f"{middle:.2f} ({low:.2f}–{high:.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _quartiles(values: Sequence[float]) -> list[float]:
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def machine(*distributions: str) -> str:
    """One line that names the machine, Python, and the versions of these distributions."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in distributions)
    return f"{_processor()}, {cores()} cores, {platform.system()}, Python {platform.python_version()}, {versions}"


def cores() -> int:
    """Number of cores that this process may use, where the system says so; else of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def options(description: str | None, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options that all benchmarks have: ``rounds``, ``scale`` and ``output``."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each comparison (default: 15)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on the number of elements of each tensor (default: 1)"
    )
    parser.add_argument("--output", type=Path, help="also write what is printed to this Markdown file")
    return parser.parse_args(arguments)


class Report:
    """Prints paragraphs as they come, and keeps them for a file."""

    def __init__(self) -> None:
        self._paragraphs: list[str] = []

    def add(self, paragraph: str) -> None:
        """Print a paragraph of Markdown and keep it."""
        print(paragraph, end="\n\n", flush=True)
        self._paragraphs.append(paragraph)

    def save(self, path: Path | None) -> None:
        """Write the paragraphs to a file, if there is one to write to."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n\n".join(self._paragraphs) + "\n", encoding="utf-8")
