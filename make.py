#!/usr/bin/env python3
"""Set the project up and run it. Needs Python 3.10 or newer, and a network connection the first time.

python3 make.py demo [--framework torch|keras|jax|all] [--epochs N] [--seed S] [--dtype float64|float32] [--output DIR]
    Train one network with INDIAN, SGD and Adam, in one framework or in all three.
python3 make.py test --fast
    Lint, format, types, and the tests that find most faults: the loop to work in.
python3 make.py test
    Lint, format, types, documentation, and the tests; the longest ones only in part.
python3 make.py test --all
    All of it. This is what `test` does in continuous integration (CI is set), and there it traces coverage, too.
python3 make.py test -- [options of pytest]
    Only the tests, with these options; for instance: test -- tests/core -x
python3 make.py docs
    Build the documentation into docs/_build/html.
python3 make.py matrix [--row NAME ...] [--smoke] [--list]
    The tests with the oldest and the newest releases of each framework, and some between; see tests/matrix.py.

The first run makes a virtual environment, .venv, and installs what the command needs, in the versions of
constraints.txt; later runs start at once.
"""

# An old Python must be able to read this file to the end, to say what it lacks: no syntax newer than Python 3.6.
import argparse
import collections
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO

OLDEST_PYTHON = (3, 10)


def explain_old_python(version, executable):
    """The message for a Python older than `OLDEST_PYTHON`; names a newer one if there is one."""
    needed, present = (".".join(map(str, numbers)) for numbers in (OLDEST_PYTHON, version[:2]))
    message = f"make.py needs Python {needed} or newer; this is Python {present} ({executable})."
    newer = [name for name in ("python3.13", "python3.12", "python3.11", "python3.10") if shutil.which(name)]
    if newer:
        message += f" Try: {newer[0]} make.py"
    return message


if sys.version_info < OLDEST_PYTHON:
    sys.exit(explain_old_python(sys.version_info, sys.executable))

ROOT = pathlib.Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "setup.json"

EXTRAS = {
    "torch": {"torch"},
    "keras": {"tensorflow"},
    "jax": {"jax"},
    "all": {"torch", "tensorflow", "jax"},
}
DEMO_OPTIONS = ("--epochs", "--seed", "--dtype", "--output")
DEVELOPMENT_GROUPS = {"dev", "docs", "experiments"}

CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "documentation": ["sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html"],
}
TESTS = ["pytest", "-n", "auto", "--maxprocesses=4", "--dist=loadgroup"]
# It about doubles the time of a step: too much for the loop to work in.
COVERAGE = ["--cov", "--cov-report=term"]


class SetupError(Exception):
    """The environment cannot be set up; the message says why and what to do."""


def say(text: str) -> None:
    """Print a line at once, so that it stands before what a child process prints."""
    print(text, flush=True)


# --- the virtual environment ------------------------------------------------------------------------------------------


def set_up(extras: set[str], groups: set[str]) -> None:
    """Bring `.venv` to hold the package with these extras and dependency groups.

    Raises:
        SetupError: A module of the standard library is missing, or pip failed.
    """
    wanted = {*extras, *(f"group {name}" for name in groups)}
    stamp = read_stamp()
    works = venv_works()
    if works and stamp.get("key") == setup_key() and wanted <= set(stamp["installed"]):
        return
    wanted |= set(stamp.get("installed", ())) if works else set()
    package = f".[{','.join(sorted(w for w in wanted if not w.startswith('group ')))}]"
    group_options = [f"--group={w.removeprefix('group ')}" for w in sorted(wanted) if w.startswith("group ")]
    say(f"Setting up .venv: {' '.join([package, *group_options])} (once; some minutes, most of them for downloads)")
    started = time.monotonic()
    if not works:
        make_venv()
    STAMP.unlink(missing_ok=True)
    # The pip that comes with Python may be too old to know dependency groups.
    pip_install(["pip"])
    pip_install(["--editable", package, *group_options])
    STAMP.write_text(json.dumps({"key": setup_key(), "installed": sorted(wanted)}) + "\n")
    say(f"Set up in {time.monotonic() - started:.0f} s")


def setup_key() -> str:
    """A hash of all that decides what gets installed: another hash, another set-up."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    # The editable installation holds the path of the repository.
    return hashlib.sha256(b"\0".join([*parts, bytes(ROOT)])).hexdigest()


def read_stamp() -> dict:
    """What the last complete set-up installed; empty if there was none."""
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def venv_works() -> bool:
    """Whether `.venv` has a Python that starts, new enough, with pip."""
    if not PYTHON.exists():
        return False
    code = f"import sys, pip; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    return subprocess.run([PYTHON, "-c", code], capture_output=True).returncode == 0


def make_venv() -> None:
    """Make `.venv` anew."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(
            f"this Python ({sys.executable}) has no module {' and no module '.join(missing)}. "
            "On Debian and Ubuntu: sudo apt install python3-venv"
        )
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise SetupError(f"{done.stdout.rstrip()}\nthe virtual environment {VENV} could not be made.")


def pip_install(arguments: list[str]) -> None:
    """Run `pip install` under the constraints, and print only the large downloads, or, if it fails, its last lines."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--constraint=constraints.txt", *arguments]
    pip = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    last_lines: collections.deque[str] = collections.deque(maxlen=15)
    assert pip.stdout is not None
    with pip.stdout:
        for line in pip.stdout:
            last_lines.append(line.rstrip())
            large_download = re.search(r"Downloading (?:.*/)?([^-/]+-[^-/]+)-\S+ \((\d{2,}[.\d]* MB|[.\d]+ GB)\)", line)
            if large_download:
                say("  downloading {} ({})".format(*large_download.groups()))
            elif line.startswith("Installing collected packages"):
                say("  installing")
    if pip.wait():
        raise SetupError(
            "\n".join(last_lines) + "\npip could not install what is needed; its last lines are above. Is there a "
            "network connection, do pip's index and proxy settings fit, is there room on the disk? A version that is "
            f"not found may also mean that it is not built for this Python ({sys.version.split()[0]}). "
            "Then run the same command again."
        )


# --- the commands -----------------------------------------------------------------------------------------------------


def run_module(arguments: list[str], output: IO[str] | None = None) -> int:
    """Run a module with `.venv`'s Python, quietly and on one thread per process; returns its exit code.

    Args:
        arguments: The module and its arguments.
        output: The file to write to what it prints; if None, it prints.
    """
    quiet = {
        "OMP_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
    }
    command = [str(PYTHON), "-m", *arguments]
    errors = None if output is None else subprocess.STDOUT
    return subprocess.call(command, cwd=ROOT, env={**quiet, **os.environ}, stdout=output, stderr=errors)


def run_silently(arguments: list[str]) -> tuple[int, str]:
    """Run a module as `run_module` does; returns its exit code and what it would have printed."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        code = run_module(arguments, output)
        output.seek(0)
        return code, output.read()


def demo(arguments: list[str]) -> int:
    """Install one framework, or all, and run the demo; further options are the demo's."""
    parser = argparse.ArgumentParser("make.py demo", allow_abbrev=False, add_help=False)
    parser.add_argument("--framework", choices=list(EXTRAS), default="all")
    for option in DEMO_OPTIONS:
        parser.add_argument(option)
    # Now, not by the demo after some minutes of set-up.
    options = vars(parser.parse_args(arguments))
    set_up(EXTRAS[options["framework"]], {"experiments"})
    given = [word for name, value in options.items() if value is not None for word in (f"--{name}", value)]
    return run_module(["experiments", "demo", *given])


def test(arguments: list[str]) -> int:
    """Run the checks and the tests of a scope or, given other arguments, pytest alone."""
    set_up(EXTRAS["all"], DEVELOPMENT_GROUPS)
    in_ci = "CI" in os.environ
    scopes = {(): "all" if in_ci else "usual", ("--fast",): "fast", ("--all",): "all"}
    scope = scopes.get(tuple(arguments))
    if scope is None:
        return run_module(["pytest", *(arguments[1:] if arguments[0] == "--" else arguments)])
    failed = []
    for name in ("lint", "format"):
        say(f"{name}: {' '.join(CHECKS[name])}")
        if run_module(CHECKS[name]):
            failed.append(name)
    with ThreadPoolExecutor(1) as executor:
        beside = ["types"] if scope == "fast" else ["types", "documentation"]
        results = [executor.submit(run_silently, CHECKS[name]) for name in beside]
        command = [*TESTS, f"--scope={scope}", *(COVERAGE if in_ci and scope == "all" else [])]
        say(f"tests: {' '.join(command)}")
        if run_module(command):
            failed.append("tests")
        for name, result in zip(beside, results, strict=True):
            code, output = result.result()
            say(f"{name}: {' '.join(CHECKS[name])}\n{output.rstrip()}")
            if code:
                failed.append(name)
    if failed:
        say(f"make.py: failed: {', '.join(failed)}")
    return 1 if failed else 0


def docs(arguments: list[str]) -> int:
    """Build the documentation; further options are Sphinx's."""
    set_up(EXTRAS["all"], {"docs"})
    code = run_module([*CHECKS["documentation"], *arguments])
    if code == 0:
        say("The documentation is in docs/_build/html/index.html")
    return code


def matrix(arguments: list[str]) -> int:
    """Test with the releases of `tests/matrix.py`; the options are that program's."""
    return subprocess.call([sys.executable, "-m", "tests.matrix", *arguments], cwd=ROOT)


COMMANDS = {"demo": demo, "test": test, "docs": docs, "matrix": matrix}


def main(arguments: list[str]) -> int:
    """Run a command; returns the exit code."""
    wants_help = arguments[1:] in (["-h"], ["--help"])
    if not arguments or arguments[0] not in COMMANDS or (wants_help and arguments[0] != "matrix"):
        say((__doc__ or "").rstrip())
        return 0 if {"-h", "--help"} & set(arguments) else 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except SetupError as error:
        print(f"make.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
