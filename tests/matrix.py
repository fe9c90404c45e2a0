"""The releases that the package is tested with, and a program that tests it with them: `python3 make.py matrix`.

python3 make.py matrix [--row NAME ...] [--smoke] [--wheel FILE] [--again] [--list]

Each row of `ROWS` gets a virtual environment of its own, `.matrix/NAME`, and runs there the tests of its adapter, or,
with `--smoke`, only `tests/smoke.py`. With `--wheel`, it runs `tests/smoke.py` on that wheel, away from the repository,
in `.matrix/NAME-wheel`. A row that has run on the present commit, and passed, is not run again without `--again`. An
environment without pinned releases is made anew each day. At the end, it prints the table of the rows that were asked
for, and fails if one failed.

PyTorch's default build for Linux brings gigabytes of CUDA, and old releases cannot be imported without it. For the CPU
builds, set PIP_EXTRA_INDEX_URL to the index that PyTorch's installation page names.
"""

import argparse
import datetime
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["ROWS", "Row", "main", "table"]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".matrix"


class Row(NamedTuple):
    """One environment.

    Attributes:
        python: The version of Python.
        extra: The extra of the package, which says which adapter is tested.
        releases: What pip installs beside it, with versions.
        without_needs: What pip installs after that without looking at what it asks for.
        environment: Variables of the tests.
    """

    python: str
    extra: str
    releases: Sequence[str] = ()
    without_needs: Sequence[str] = ()
    environment: dict[str, str] = {}  # noqa: RUF012


ROWS = {
    "torch-oldest": Row("3.10", "torch", ["torch==2.4.*", "numpy==1.26.*"]),
    "torch-2.8": Row("3.12", "torch", ["torch==2.8.*"]),
    "torch-2.11": Row("3.11", "torch", ["torch==2.11.*"]),
    "torch-newest": Row("3.13", "torch"),
    "jax-oldest": Row("3.10", "jax", ["jax==0.4.38", "jaxlib==0.4.38", "optax==0.2.4", "numpy==1.26.*"]),
    "jax-0.6": Row("3.11", "jax", ["jax==0.6.2", "jaxlib==0.6.2", "optax==0.2.5"]),
    "jax-0.8": Row("3.12", "jax", ["jax==0.8.*", "jaxlib==0.8.*", "optax==0.2.6"]),
    "jax-newest": Row("3.13", "jax"),
    "keras-oldest": Row("3.10", "tensorflow", ["keras==3.3.*", "tensorflow==2.16.*", "numpy==1.26.*"]),
    # TensorFlow 2.16 and JAX 0.4.38 ask for different releases of one package.
    "keras-oldest-on-jax": Row(
        "3.10",
        "tensorflow",
        ["keras==3.3.*", "tensorflow==2.16.*", "numpy==1.26.*", "opt_einsum", "scipy"],
        ["jax==0.4.38", "jaxlib==0.4.38", "ml_dtypes==0.4.*"],
        {"KERAS_BACKEND": "jax"},
    ),
    "keras-3.10": Row("3.11", "tensorflow", ["keras==3.10.*", "tensorflow==2.19.*"]),
    "keras-3.13": Row("3.12", "tensorflow", ["keras==3.13.*", "tensorflow==2.20.*"]),
    "keras-newest": Row("3.13", "tensorflow"),
}
"""For each framework the oldest releases, the newest, and two between."""

PACKAGES = {"torch": "indian_torch", "jax": "indian_jax", "tensorflow": "indian_tf"}
TESTS = {
    "torch": ["indian_torch", "tests/torch", "--ignore=tests/torch/ecosystem"],
    "jax": ["indian_jax", "tests/jax", "--deselect=indian_jax/until_accepted.py"],
    # The step on Keras' PyTorch backend, which is in none of these environments.
    "tensorflow": ["indian_tf", "tests/tf", "--ignore=indian_tf/_step/torch.py"],
}
"""The tests of each adapter, less those with libraries whose newest releases alone are tested (Flax, Lightning, …)."""
OF_OTHER_LIBRARIES = ("equinox", "flax_linen", "flax_nnx", "optimistix")
TESTS["jax"] += [f"--ignore=tests/jax/test_{name}.py" for name in OF_OTHER_LIBRARIES]

TOOLS = ["pytest", "pytest-xdist", "hypothesis", "expecttest", "psutil", "scikit-learn", "setuptools"]
# JAX 0.4.38 needs it to store compiled programs, and does not say so.
TOOLS += ["importlib_resources"]
SHOWN = ("torch", "jax", "optax", "keras", "tensorflow", "numpy")


def python_of(version: str) -> str | None:
    """A Python of this version on this machine, from the path or from pyenv."""
    pyenv = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    found = [shutil.which(f"python{version}"), *sorted(glob.glob(f"{pyenv}/versions/{version}.*/bin/python3"))]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        found.insert(0, sys.executable)
    for each in found:
        # A shim of pyenv is there also for a version that is not chosen.
        if each and subprocess.run([each, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
            return each
    return None


def set_up(name: str, wheel: str | None) -> Path | None:
    """The Python of a row's environment, made if it is missing or outdated; None without a Python."""
    row, folder = ROWS[name], FOLDER / (f"{name}-wheel" if wheel else name)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, key = folder / "key", _key(row, wheel)
    if python.exists() and stamp.exists() and stamp.read_text() == key:
        return python
    base = python_of(row.python)
    if base is None:
        return None
    package = f"{wheel}[{row.extra}]" if wheel else f"--editable={ROOT}[{row.extra}]"
    subprocess.run([base, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    subprocess.run([*pip, package, *row.releases, *([] if wheel else TOOLS)], check=True)
    if row.without_needs:
        subprocess.run([*pip, "--no-deps", *row.without_needs], check=True)
    stamp.write_text(key)
    return python


def _key(row: Row, wheel: str | None) -> str:
    parts = [json.dumps([row, TOOLS]), (ROOT / "pyproject.toml").read_text(encoding="utf-8"), str(ROOT)]
    if not row.releases:
        # The newest releases are those of today.
        parts.append(datetime.date.today().isoformat())
    if wheel:
        parts.append(hashlib.sha256(Path(wheel).read_bytes()).hexdigest())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def run(name: str, smoke: bool, wheel: str | None) -> dict[str, Any]:
    """Run a row; what `table` shows of it."""
    row = ROWS[name]
    python = set_up(name, wheel)
    if python is None:
        return {"error": f"there is no Python {row.python} on this machine"}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | row.environment
    result: dict[str, Any] = {"releases": _releases(python)}
    program = [str(python), str(ROOT / "tests" / "smoke.py"), PACKAGES[row.extra]]
    if wheel:
        with tempfile.TemporaryDirectory() as elsewhere:
            done = subprocess.run(program, cwd=elsewhere, env=environment)
        return result | {"smoke": "passed" if done.returncode == 0 else "failed"}
    done = subprocess.run(program, cwd=ROOT, env=environment)
    result["smoke"] = "passed" if done.returncode == 0 else "failed"
    if smoke:
        return result
    options = ["-q", "--scope=fast", "-n", "auto", "--maxprocesses=4", "--dist=loadgroup", "-p", "no:cacheprovider"]
    output = FOLDER / f"{name}.txt"
    with output.open("w+", encoding="utf-8") as file:
        # The trust region is for TensorFlow alone.
        options += ["--ignore-glob=*trust_region*"] if "KERAS_BACKEND" in row.environment else []
        command = [str(python), "-m", "pytest", *TESTS[row.extra], *options]
        code = subprocess.call(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
        file.seek(0)
        counts = re.findall(r"(\d+) (passed|failed|skipped|error)", file.read().rstrip().rpartition("\n")[2])
    return result | {"exit code": code, "tests": {what: int(number) for number, what in counts}}


def _releases(python: Path) -> dict[str, str]:
    program = (
        "import importlib.metadata as m, json, platform\n"
        f"names = {SHOWN!r}\n"
        "found = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({'python': platform.python_version()} | {n: found[n] for n in names if n in found}))"
    )
    done = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True)
    releases: dict[str, str] = json.loads(done.stdout)
    return releases


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    lines = ["| row | Python | releases | smoke test | tests passed | failed | skipped |", "|---" * 7 + "|"]
    for name, result in results.items():
        if "error" in result:
            lines.append(f"| {name} | {ROWS[name].python} | {result['error']} | | | | |")
            continue
        releases = dict(result["releases"])
        python = releases.pop("python")
        shown = ", ".join(f"{each} {version.partition('+')[0]}" for each, version in releases.items())
        tests = result.get("tests")
        counts = ["" if tests is None else str(tests.get(what, 0)) for what in ("passed", "failed", "skipped")]
        lines.append(f"| {name} | {python} | {shown} | {result['smoke']} | {' | '.join(counts)} |")
    return "\n".join(lines)


def passed(result: dict[str, Any]) -> bool:
    """Whether a row has run, and nothing failed."""
    return result.get("smoke") == "passed" and result.get("exit code", 0) == 0


def main(arguments: Sequence[str]) -> int:
    """Run the program; returns the exit code."""
    parser = argparse.ArgumentParser("make.py matrix", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--row", action="append", choices=list(ROWS), help="a row to run; can be repeated; else all")
    parser.add_argument("--smoke", action="store_true", help="only import the package and take some steps")
    parser.add_argument("--wheel", help="run the smoke test on this wheel")
    parser.add_argument("--again", action="store_true", help="run rows again that have passed on this commit")
    parser.add_argument("--list", action="store_true", help="list the rows and the Pythons that are there for them")
    options = parser.parse_args(arguments)
    rows = options.row or list(ROWS)
    if options.list:
        for name in rows:
            row = ROWS[name]
            print(f"{name}: Python {row.python} ({python_of(row.python) or 'not there'}), {', '.join(row.releases)}")
        return 0
    wheel = options.wheel and str(Path(options.wheel).resolve())
    commit = _commit()
    results = {}
    FOLDER.mkdir(exist_ok=True)
    kind = "wheel" if wheel else "smoke" if options.smoke else "tests"
    for name in rows:
        saved = FOLDER / f"{name}-{kind}.json"
        old = json.loads(saved.read_text()) if saved.exists() else {}
        if not options.again and commit and old.get("commit") == commit and passed(old["result"]):
            results[name] = old["result"]
            continue
        print(f"{name}: running", flush=True)
        try:
            results[name] = run(name, options.smoke, wheel)
        except subprocess.CalledProcessError as error:
            print(error, file=sys.stderr)
            results[name] = {"releases": {"python": ROWS[name].python}, "smoke": "not run: pip failed"}
        saved.write_text(json.dumps({"commit": commit, "result": results[name]}) + "\n")
    print(table(results))
    # A Python that is not there is a failure only of a row that was asked for.
    failed = [name for name, result in results.items() if not passed(result) and (options.row or "error" not in result)]
    if failed:
        print(f"failed: {', '.join(failed)}; what pytest said is in {FOLDER.name}/NAME.txt", file=sys.stderr)
    return 1 if failed else 0


def _commit() -> str | None:
    """The commit that is checked out; None if files have changed since."""
    git = ["git", "-C", str(ROOT)]
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
    return head.stdout.strip() if status.returncode == head.returncode == 0 and not status.stdout else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
