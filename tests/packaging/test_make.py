"""The set-up script: what it says when something is missing, and what it installs and runs."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import IO

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "make.py"


class Recorder:
    """Stands for pip and for the commands run in `.venv`, and notes what they were asked to do."""

    def __init__(self) -> None:
        self.installed: list[list[str]] = []
        self.run: list[list[str]] = []
        self.exit_codes: dict[str, int] = {}

    def install(self, arguments: list[str]) -> None:
        self.installed.append(arguments)

    def run_module(self, arguments: list[str], output: IO[str] | None = None) -> int:
        self.run.append(arguments)
        if output is not None:
            output.write(f"{arguments[0]} says this")
        return self.exit_codes.get(arguments[0], 0)


@pytest.fixture
def make(tmp_path: Path) -> ModuleType:
    """The script as a module, with a folder of its own in place of the repository."""
    spec = importlib.util.spec_from_file_location("make", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = tmp_path
    module.VENV = tmp_path / ".venv"
    module.STAMP = module.VENV / "setup.json"
    module.PYTHON = Path(sys.executable)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((SCRIPT.parent / name).read_bytes())
    module.VENV.mkdir()
    return module


@pytest.fixture
def recorder(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(make, "pip_install", recorder.install)
    monkeypatch.setattr(make, "run_module", recorder.run_module)
    return recorder


def test_an_old_python_can_read_the_script() -> None:
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))


def test_an_old_python_is_told_which_one_is_needed(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make.shutil, "which", lambda name: f"/bin/{name}" if name == "python3.12" else None)
    message = make.explain_old_python((3, 8, 18), "/usr/bin/python3")
    assert message == (
        "make.py needs Python 3.10 or newer; this is Python 3.8 (/usr/bin/python3). Try: python3.12 make.py"
    )


def test_the_oldest_python_is_that_of_the_package(make: ModuleType) -> None:
    required = f'requires-python = ">={".".join(map(str, make.OLDEST_PYTHON))}"'
    assert required in (make.ROOT / "pyproject.toml").read_text().splitlines()


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        ([], ".[jax,tensorflow,torch]"),
        (["--framework", "all"], ".[jax,tensorflow,torch]"),
        (["--framework", "torch"], ".[torch]"),
        (["--framework=keras"], ".[tensorflow]"),
        (["--framework", "jax"], ".[jax]"),
    ],
)
def test_demo_installs_the_chosen_framework_only(
    make: ModuleType, recorder: Recorder, arguments: list[str], package: str
) -> None:
    assert make.main(["demo", *arguments]) == 0
    assert recorder.installed == [["pip"], ["--editable", package, "--group=experiments"]]


def test_demo_passes_further_options_on(make: ModuleType, recorder: Recorder) -> None:
    make.main(["demo", "--epochs", "3", "--framework", "jax", "--seed=1"])
    assert recorder.run == [["experiments", "demo", "--framework", "jax", "--epochs", "3", "--seed", "1"]]


def test_demo_knows_the_options_of_the_demo(make: ModuleType) -> None:
    source = (SCRIPT.parent / "experiments" / "demo" / "command.py").read_text()
    options = set(re.findall(r'^\s+"?(?:parser.add_argument\(")?(--\w+)"', source, re.MULTILINE))
    assert options == {"--framework", *make.DEMO_OPTIONS}


def test_demo_refuses_an_unknown_option_before_it_sets_anything_up(make: ModuleType, recorder: Recorder) -> None:
    with pytest.raises(SystemExit):
        make.main(["demo", "--epoch", "3"])
    assert recorder.run == []


def test_demo_refuses_an_unknown_framework(
    make: ModuleType, recorder: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make.main(["demo", "--framework", "caffe"])
    assert "choose from" in capsys.readouterr().err
    assert recorder.installed == []


def test_a_second_run_installs_nothing(make: ModuleType, recorder: Recorder) -> None:
    make.main(["demo"])
    recorder.installed.clear()
    make.main(["demo"])
    make.main(["demo", "--framework", "jax"])
    assert recorder.installed == []


def test_another_framework_is_added_to_the_first(make: ModuleType, recorder: Recorder) -> None:
    make.main(["demo", "--framework", "jax"])
    make.main(["demo", "--framework", "torch"])
    assert recorder.installed[-1] == ["--editable", ".[jax,torch]", "--group=experiments"]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_again(make: ModuleType, recorder: Recorder, name: str) -> None:
    make.main(["demo", "--framework", "jax"])
    with (make.ROOT / name).open("a") as file:
        file.write("# changed\n")
    recorder.installed.clear()
    make.main(["demo", "--framework", "jax"])
    assert recorder.installed[-1] == ["--editable", ".[jax]", "--group=experiments"]


def test_an_interrupted_installation_is_done_again(
    make: ModuleType, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.main(["demo", "--framework", "jax"])

    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(make, "pip_install", interrupted)
        assert make.main(["demo", "--framework", "torch"]) == 130
    recorder.installed.clear()
    make.main(["demo", "--framework", "jax"])
    assert recorder.installed[-1] == ["--editable", ".[jax]", "--group=experiments"]


def test_missing_venv_module_names_the_package_to_install(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make.PYTHON = make.VENV / "no python"
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(make.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find_spec(name))
    assert make.main(["demo"]) == 1
    message = capsys.readouterr().err
    assert "no module ensurepip" in message
    assert "apt install python3-venv" in message


def test_failing_pip_shows_its_last_lines_and_what_to_do(make: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(make.SetupError) as failure:
        make.pip_install(["--no-index", "--find-links=nowhere", "a-package-that-is-not-there"])
    assert "No matching distribution found for a-package-that-is-not-there" in str(failure.value)
    assert "network" in str(failure.value)


def test_test_runs_every_check_and_the_tests(make: ModuleType, recorder: Recorder) -> None:
    assert make.main(["test"]) == 0
    assert recorder.installed[-1] == [
        "--editable",
        ".[jax,tensorflow,torch]",
        "--group=dev",
        "--group=docs",
        "--group=experiments",
    ]
    assert sorted(command[0] for command in recorder.run) == ["mypy", "pytest", "ruff", "ruff", "sphinx"]


def test_fast_test_leaves_the_documentation_and_slow_tests_out(make: ModuleType, recorder: Recorder) -> None:
    assert make.main(["test", "--fast"]) == 0
    assert sorted(command[0] for command in recorder.run) == ["mypy", "pytest", "ruff", "ruff"]
    assert "--scope=fast" in command_of(recorder, "pytest")


@pytest.mark.parametrize("in_ci", [False, True])
def test_continuous_integration_alone_takes_all_tests_and_traces_coverage(
    make: ModuleType, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, in_ci: bool
) -> None:
    monkeypatch.delenv("CI", raising=False)
    if in_ci:
        monkeypatch.setenv("CI", "true")
    make.main(["test"])
    command = command_of(recorder, "pytest")
    assert ("--cov" in command) == in_ci
    assert ("--scope=all" if in_ci else "--scope=usual") in command


def test_all_tests_can_be_asked_for(make: ModuleType, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert make.main(["test", "--all"]) == 0
    command = command_of(recorder, "pytest")
    assert "--scope=all" in command
    assert "--cov" not in command


def command_of(recorder: Recorder, module: str) -> list[str]:
    (command,) = (command for command in recorder.run if command[0] == module)
    return command


@pytest.mark.parametrize("failing", ["ruff", "mypy", "sphinx", "pytest"])
def test_test_fails_if_one_check_fails_and_still_runs_the_others(
    make: ModuleType, recorder: Recorder, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    recorder.exit_codes[failing] = 1
    assert make.main(["test"]) == 1
    assert len(recorder.run) == 5
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("make.py: failed: ")
    assert {"mypy says this", "sphinx says this"} <= set(lines)


def test_what_runs_beside_the_tests_is_shown_and_its_exit_code_kept(make: ModuleType) -> None:
    code, output = make.run_silently(["pip", "no-such-command"])
    assert code == 1
    assert "no-such-command" in output


@pytest.mark.parametrize("separator", [[], ["--"]])
def test_test_with_options_runs_pytest_alone(make: ModuleType, recorder: Recorder, separator: list[str]) -> None:
    recorder.exit_codes["pytest"] = 5
    assert make.main(["test", *separator, "tests/core", "--scope=fast"]) == 5
    assert recorder.run == [["pytest", "tests/core", "--scope=fast"]]


def test_matrix_passes_its_options_on(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[list[str], Path]] = []
    monkeypatch.setattr(make.subprocess, "call", lambda command, cwd: called.append((command, cwd)) or 3)
    assert make.main(["matrix", "--row", "jax-oldest", "--smoke"]) == 3
    assert called == [([sys.executable, "-m", "tests.matrix", "--row", "jax-oldest", "--smoke"], make.ROOT)]


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["deno"], 2), (["--help"], 0), (["test", "--help"], 0)])
def test_usage_is_shown(
    make: ModuleType, recorder: Recorder, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    assert make.main(arguments) == code
    assert "make.py demo [--framework" in capsys.readouterr().out
    assert recorder.installed == []


def test_stamp_that_cannot_be_read_means_a_new_installation(make: ModuleType, recorder: Recorder) -> None:
    make.main(["demo", "--framework", "jax"])
    assert json.loads(make.STAMP.read_text())["installed"] == ["group experiments", "jax"]
    make.STAMP.write_text("{")
    recorder.installed.clear()
    make.main(["demo", "--framework", "jax"])
    assert recorder.installed


def test_script_runs_from_any_directory(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "make.py docs" in done.stdout
