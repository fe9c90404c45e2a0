"""Runs are stored one by one as they end, computed once, and computed again when what determines them has changed."""

import json
import sys

import pytest

from experiments.lib.runs import Job, RunError, code_version, execute

# A run that notes each time it is computed; the run with "stop" is stopped by Ctrl+C the first time.
_RUN = """
import os, signal
from pathlib import Path

def compute(configuration, log):
    if configuration.get("stop") and not Path(log).with_suffix(".stopped").exists():
        Path(log).with_suffix(".stopped").touch()
        # Shells have jobs in the background ignore it, and their children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.kill(os.getpid(), signal.SIGINT)
    with open(log, "a") as file:
        file.write(f"{configuration['x']} ")
    return {"square": configuration["x"] ** 2}
"""

_EXECUTE = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from experiments.lib.runs import Job, execute
folder = Path(sys.argv[1])
jobs = [Job("some_run:compute", configuration) for configuration in json.loads(sys.argv[2])]
print(json.dumps(execute(jobs, folder / "runs", 1, "runs", {"log": str(folder / "log.txt")})))
"""


@pytest.fixture
def compute(run_python, tmp_path):
    """Compute runs in a process of its own; returns what it printed, and which runs were computed so far."""
    (tmp_path / "some_run.py").write_text(_RUN, encoding="utf-8")

    def compute(*configurations):
        result = run_python("-c", _EXECUTE, tmp_path, json.dumps(configurations))
        return result, (tmp_path / "log.txt").read_text(encoding="utf-8").split()

    return compute


def test_stored_runs_are_not_computed_again_until_their_code_changes(compute, tmp_path):
    result, computed = compute({"x": 3}, {"x": 4}, {"x": 3})
    assert json.loads(result.stdout) == [{"square": 9}, {"square": 16}, {"square": 9}], result.stderr
    assert computed == ["3", "4"]
    source = tmp_path / "some_run.py"
    source.write_text(f'"""A docstring."""\n# A comment.\n{_RUN}', encoding="utf-8")
    result, computed = compute({"x": 4}, {"x": 5})
    assert json.loads(result.stdout) == [{"square": 16}, {"square": 25}]
    assert computed == ["3", "4", "5"]
    source.write_text(_RUN.replace("** 2", "** 3"), encoding="utf-8")
    result, computed = compute({"x": 4})
    assert json.loads(result.stdout) == [{"square": 64}]


def test_interrupted_runs_go_on_where_they_stopped(compute):
    configurations = {"x": 1}, {"x": 2, "stop": True}, {"x": 3}
    result, computed = compute(*configurations)
    assert result.returncode != 0
    assert "KeyboardInterrupt" in result.stderr
    assert computed == ["1"]
    result, computed = compute(*configurations)
    assert json.loads(result.stdout) == [{"square": 1}, {"square": 4}, {"square": 9}], result.stderr
    assert computed == ["1", "2", "3"]


def _schedule_jobs():
    schedules = ({"kind": "cosine", "warmup": w} for w in (0.1, 0.2, 0.5))
    return [Job("experiments.lib.training:factor", schedule) for schedule in schedules]


def test_processes_give_what_one_process_gives_in_the_same_order(tmp_path):
    resources = {"step": 3, "steps": 10}
    here = execute(_schedule_jobs(), tmp_path / "here", 1, "here", resources)
    there = execute(_schedule_jobs(), tmp_path / "there", 2, "there", resources)
    assert here == there
    assert len(set(here)) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_failed_run_is_an_error_that_names_it_and_keeps_the_others(workers, tmp_path):
    jobs = [*_schedule_jobs(), Job("experiments.lib.training:factor", {"kind": "sudden"})]
    with pytest.raises(RunError, match=r"no schedule of the kind 'sudden'(?s:.*)\{\"kind\": \"sudden\"\}"):
        execute(jobs, tmp_path, workers, "runs", {"step": 3, "steps": 10})
    assert len(list(tmp_path.glob("*.json"))) == 3


def test_key_depends_on_configuration_sources_and_libraries():
    job = Job("experiments.lib.training:factor", {"kind": "constant"})
    others = [
        job._replace(configuration={"kind": "cosine"}),
        job._replace(sources=("indian_core.dynamics",)),
        job._replace(libraries=("numpy", "matplotlib")),
    ]
    assert len({job.key(), *(other.key() for other in others)}) == 4
    assert job.key() == Job("experiments.lib.training:factor", {"kind": "constant"}).key()


def test_code_version_covers_what_a_module_imports_and_imports_nothing(run_python):
    script = "import sys; from experiments.lib.runs import code_version; before = set(sys.modules); "
    script += "code_version(['experiments.lib.trainers.torch_trainer', 'indian_torch']); "
    script += "print(sorted(m for m in set(sys.modules) - before if m.startswith(('torch', 'indian', 'experiments'))))"
    result = run_python("-c", script)
    assert result.stdout.strip() == "[]", result.stderr
    assert "torch" not in code_version(["experiments.lib.training"])
    assert code_version(["experiments.lib.training"]) == code_version(
        ["experiments.lib.training", "experiments.lib.data"]
    )
    with pytest.raises(ValueError, match=r"there is no module experiments\.no_such"):
        code_version(["experiments.no_such"])
    assert sys.modules.get("experiments.no_such") is None
