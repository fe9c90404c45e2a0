"""Training goes on where a killed process left it, as if nothing had happened."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.tf import interrupted_training
from tests.tf.interrupted_training import KILLED_AFTER, LAST_BACKUP, STEPS, STEPS_PER_EPOCH, Trajectory, backups, train

pytestmark = pytest.mark.xdist_group("interrupted-training")
each_optimizer = pytest.mark.parametrize("optimizer", interrupted_training.OPTIMIZERS)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The backups that a killed process left."""
    directory = tmp_path_factory.mktemp("backups")
    run = subprocess.run(
        [sys.executable, "-m", interrupted_training.__name__, str(directory)],
        cwd=pathlib.Path(__file__).parents[2],
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    return directory


@pytest.fixture
def left(killed, tmp_path):
    """A copy of the backups: Keras deletes them once training is through."""
    return shutil.copytree(killed, tmp_path / "backups")


@pytest.fixture(scope="module")
def uninterrupted():
    trajectories = {optimizer: Trajectory() for optimizer in interrupted_training.OPTIMIZERS}
    for optimizer, trajectory in trajectories.items():
        train(optimizer, trajectory)
        assert len(trajectory.states) == STEPS
    return {optimizer: trajectory.states for optimizer, trajectory in trajectories.items()}


def _assert_same(states, expected):
    for one, other in zip(states, expected, strict=True):
        for actual, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(actual, wanted)


@each_optimizer
def test_a_run_killed_in_the_middle_of_an_epoch_resumes_on_its_trajectory(left, uninterrupted, optimizer):
    trajectory = Trajectory()
    train(optimizer, backups(left, optimizer)["epochs"], trajectory)
    assert STEPS_PER_EPOCH < KILLED_AFTER < 2 * STEPS_PER_EPOCH
    _assert_same(trajectory.states, uninterrupted[optimizer][STEPS_PER_EPOCH:])


@pytest.mark.parametrize("optimizer", ["INDIAN", "SGD"])
def test_a_backup_from_the_middle_of_an_epoch_resumes_there_if_the_data_do(left, uninterrupted, optimizer):
    trajectory = Trajectory()
    train(optimizer, backups(left, optimizer)["steps"], trajectory, where_it_stopped=True)
    expected = uninterrupted[optimizer][LAST_BACKUP:]
    # What is left of four epochs, as Keras counts them, is three epochs and thus some steps too many.
    assert len(trajectory.states) == STEPS - STEPS_PER_EPOCH > len(expected)
    _assert_same(trajectory.states[: len(expected)], expected)


@pytest.mark.parametrize("optimizer", ["INDIAN", "SGD"])
def test_otherwise_keras_begins_the_interrupted_epoch_anew_with_any_optimizer(left, uninterrupted, optimizer):
    trajectory = Trajectory()
    train(optimizer, backups(left, optimizer)["steps"], trajectory)
    assert len(trajectory.states) == STEPS - STEPS_PER_EPOCH
    assert not np.array_equal(trajectory.states[0][0], uninterrupted[optimizer][LAST_BACKUP][0])
