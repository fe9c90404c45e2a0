"""``python -m experiments`` lists the experiments and runs one by its name."""

import pytest

_LIST_AND_PRINT_FRAMEWORKS = """
import runpy, sys
sys.argv = ["experiments"]
runpy.run_module("experiments", run_name="__main__")
frameworks = ["torch", "keras", "tensorflow", "jax", "optax"]
print("imported:", [name for name in frameworks if name in sys.modules])
"""


def test_listing_gives_each_experiment_a_line_and_imports_no_framework(run_python):
    result = run_python("-c", _LIST_AND_PRINT_FRAMEWORKS)
    assert result.returncode == 0, result.stderr
    assert "  demo " in result.stdout
    assert "Train one network on handwritten digits" in result.stdout
    assert "imported: []" in result.stdout


def test_modules_without_a_main_are_not_experiments(run_python):
    listing = run_python("-m", "experiments").stdout
    names = {line.split()[0] for line in listing.splitlines() if line.startswith("  ")}
    assert "demo" in names
    assert names.isdisjoint({"lib", "papers", "image_classification", "training", "__main__"})


def test_unknown_experiment_is_an_error_that_names_the_known_ones(run_python):
    result = run_python("-m", "experiments", "no-such")
    assert result.returncode != 0
    assert "there is no experiment 'no-such'" in result.stderr
    assert "demo" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--framework", "mxnet"], "--framework"),
        (["--epochs", "0"], "must be a whole number >= 1, got '0'"),
        (["--epochs", "1.5"], "must be a whole number >= 1, got '1.5'"),
        (["--seed", "-1"], "--seed"),
        (["--dtype", "float16"], "--dtype"),
    ],
)
def test_wrong_argument_of_the_demo_is_an_error_that_names_it(arguments, message, capsys):
    from experiments.demo import main

    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err
