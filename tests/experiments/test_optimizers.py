"""The name of an optimizer stands for the same steps in the three frameworks, or the difference is a known one."""

import json

import numpy as np
import pytest

from experiments.lib.tuning import SPACES

_OPTIMIZERS = [
    *("INDIAN", "INDIAN, AdaGrad norm", "INNAprop", "AdamW", "NAdam", "Adam", "AdaGrad", "RMSProp"),
    *("SGD", "SGD-Nesterov"),
]

_START = [[[-1.0, -0.4, 0.2], [0.8, 1.4, 2.0]], [0.5, -2.0]]
# The first gradient is small, so that it shows where ε is added.
_CURVATURES = [[[1e-4, 0.2, 0.4], [0.8, 1.4, 2.0]], [0.3, 1.0]]

# Eight steps on a quadratic whose minimum is at 1, with the same gradients from NumPy for all.
_STEP = """
import json, sys
import numpy as np
from experiments.lib.runs import one_thread
one_thread()
import jax, jax.numpy as jnp, keras, optax, torch
from experiments.lib import optimizers

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")
start, curvatures, settings = json.loads(sys.argv[1])
start, curvatures = [np.array(a) for a in start], [np.array(a) for a in curvatures]

def gradients(points):
    return [c * (np.asarray(p) - 1) for c, p in zip(curvatures, points)]

def in_torch(name, given, rates):
    params = [torch.tensor(a, requires_grad=True) for a in start]
    optimizer = optimizers.in_torch(name, params, given)
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        for param, gradient in zip(params, gradients([p.detach().numpy() for p in params])):
            param.grad = torch.from_numpy(gradient)
        optimizer.step()
    return [p.detach().numpy() for p in params]

def in_keras(name, given, rates):
    params = [keras.Variable(a) for a in start]
    optimizer = optimizers.in_keras(name, given)
    for rate in rates:
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients([p.numpy() for p in params])], params)
    return [p.numpy() for p in params]

def in_jax(name, given, rates):
    params = [jnp.asarray(a) for a in start]
    state = optimizers.in_jax(name, 0.0, given).init(params)
    for rate in rates:
        transformation = optimizers.in_jax(name, rate, given)
        updates, state = transformation.update([jnp.asarray(g) for g in gradients(params)], state, params)
        params = optax.apply_updates(params, updates)
    return params

found = {}
for name, given in settings.items():
    for schedule, factors in (("constant", (1,)), ("falling", (1, 0.5, 0.2, 0.1))):
        rates = [given["lr"] * factor for factor in factors for _ in range(8 // len(factors))]
        for run in (in_torch, in_keras, in_jax):
            ends = run(name, given, rates)
            found[f"{run.__name__} {name} {schedule}"] = np.concatenate([np.ravel(end) for end in ends])
np.savez(sys.argv[2], **found)
"""

# Shares of the way that the parameters went, at most. Where it is not rounding: Keras' RMSProp and AdaGrad and Optax'
# AdaGrad add ε² under the root, Keras' Adam ε before the bias is taken out; Keras' SGD sums up steps, not gradients.
_ROUNDING = 1e-12
_KNOWN = {
    ("in_keras", "RMSProp"): 1e-3,
    ("in_keras", "AdaGrad"): 1e-6,
    ("in_jax", "AdaGrad"): 1e-6,
    ("in_keras", "Adam"): 5e-3,
    ("in_keras", "AdamW"): 5e-3,
}
_ANOTHER_METHOD = {
    ("in_keras", "SGD-Nesterov", "falling"),
    *((framework, "NAdam", schedule) for framework in ("in_keras", "in_jax") for schedule in ("constant", "falling")),
}


@pytest.fixture(scope="module")
def ends(run_python, tmp_path_factory):
    """Where every optimizer ended, untuned, in every framework."""
    path = tmp_path_factory.mktemp("ends") / "ends.npz"
    settings = {name: SPACES[name].untuned for name in _OPTIMIZERS}
    result = run_python("-c", _STEP, json.dumps([_START, _CURVATURES, settings]), path)
    assert result.returncode == 0, result.stderr
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("schedule", ["constant", "falling"])
@pytest.mark.parametrize("framework", ["in_keras", "in_jax"])
@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_name_stands_for_the_same_steps_as_in_torch(name, framework, schedule, ends):
    start = np.concatenate([np.ravel(array) for array in _START])
    expected = ends[f"in_torch {name} {schedule}"]
    way = np.abs(expected - start).max()
    assert way > 1e-3
    share = np.abs(ends[f"{framework} {name} {schedule}"] - expected).max() / way
    if (framework, name, schedule) in _ANOTHER_METHOD:
        assert 1e-3 < share < 1
    else:
        assert share <= _KNOWN.get((framework, name), _ROUNDING)
