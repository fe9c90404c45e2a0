"""The options that experiments share, and one clear error for an option that an experiment does not know."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

__all__ = ["FRAMEWORKS", "SCALES", "Parser", "parser", "whole_number"]

SCALES: Final = ("quick", "standard", "paper")
"""Seconds, to see that all works; what a small machine computes in an hour or so; what the papers did."""

FRAMEWORKS: Final = ("torch", "keras", "jax")


def whole_number(minimum: int) -> Callable[[str], int]:
    """For ``type=`` of an option: a whole number that is not too small.

    Example:
        >>> whole_number(1)("3")
        3
    """

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"must be a whole number >= {minimum}, got {text!r}")
        return int(text)

    return parse


class Parser(argparse.ArgumentParser):
    """A parser that answers an unknown option with the known ones."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse, or exit with a message."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return options

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        known = sorted(option for option in self._option_string_actions if option.startswith("--"))
        self.error(f"this experiment does not take {' '.join(unknown)}; its options are: {', '.join(known)}")


_SHARED: Final[dict[str, dict[str, Any]]] = {
    "data": {
        "type": Path,
        "metavar": "DIR",
        "help": "folder with mnist.npz, cifar10*.npz, cifar100*.npz or a text as .txt, or one such file; "
        "default: the framework's own download, or data that every machine has",
    },
    "seeds": {"type": whole_number(1), "metavar": "N", "help": "final runs of every optimizer; default: by scale"},
    "framework": {"choices": FRAMEWORKS, "default": "torch", "help": "default: %(default)s"},
    "scale": {
        "choices": SCALES,
        "default": "standard",
        "help": "seconds; an hour or so; what the paper did; default: %(default)s",
    },
    "workers": {
        "type": whole_number(1),
        "metavar": "N",
        "help": "processes of one thread each; default: the number of cores",
    },
}


def parser(name: str, description: str | None, options: Sequence[str], scales: Sequence[str] = SCALES) -> Parser:
    """A parser for an experiment, which knows ``--output`` and those of the shared options that are named.

    Args:
        name: Of the experiment; its results go to ``results/NAME`` unless the user names another folder.
        description: For ``--help``: the docstring of the experiment.
        options: Some of data, seeds, framework, scale, workers.
        scales: Those that the experiment has.

    Example:
        >>> parser("demo", None, ["scale"]).parse_args(["--scale", "quick"])
        Namespace(output=PosixPath('results/demo'), scale='quick')
    """
    made = Parser(
        prog=f"python -m experiments {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--output", type=Path, default=Path("results", name), metavar="DIR", help="of the results; default: %(default)s"
    )
    for option in options:
        made.add_argument(f"--{option}", **_SHARED[option] | ({"choices": scales} if option == "scale" else {}))
    return made
