"""The options that experiments share."""

import pytest

from experiments.lib.command_line import parser


def test_option_that_an_experiment_does_not_know_is_refused_with_those_it_knows(capsys):
    with pytest.raises(SystemExit):
        parser("some", None, ["seeds"]).parse_args(["--scale", "quick"])
    message = capsys.readouterr().err
    assert "this experiment does not take --scale quick; its options are: --help, --output, --seeds" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "huge"], "'huge'"),
        (["--framework", "mxnet"], "'mxnet'"),
        (["--seeds", "0"], "must be a whole number >= 1, got '0'"),
        (["--workers", "-1"], "--workers"),
        (["--seed", "3"], "does not take --seed 3"),
    ],
)
def test_wrong_value_is_an_error_that_names_it(arguments, message, capsys):
    with pytest.raises(SystemExit):
        parser("some", None, ["data", "seeds", "framework", "scale", "workers"]).parse_args(arguments)
    assert message in capsys.readouterr().err
