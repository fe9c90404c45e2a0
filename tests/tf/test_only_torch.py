"""What only PyTorch has: gradients computed by backward, outside and inside `torch.no_grad`."""

import keras
import numpy as np
import pytest
import torch

from indian_core.reference import PhaseForm
from indian_tf import INDIAN

pytestmark = pytest.mark.usefixtures("float64")


@pytest.mark.parametrize("context", [torch.no_grad, torch.enable_grad], ids=["no_grad", "grad"])
def test_a_training_loop_with_backward(context):
    variable, reference = keras.Variable([1.0, 2.0], dtype="float64"), PhaseForm([1.0, 2.0], weight_decay=0.1)
    optimizer = INDIAN(learning_rate=0.1, weight_decay=0.1)
    for _ in range(5):
        loss = (variable.value**2).sum() / 2
        variable.value.grad = None
        loss.backward()
        with context():
            optimizer.apply([variable.value.grad], [variable])
        reference.step(reference.theta, 0.1)
    np.testing.assert_allclose(variable.numpy(), reference.theta, rtol=1e-12)
    # No step leaves a graph behind, which would grow from step to step.
    for own in [variable, *optimizer.variables]:
        assert own.value.grad_fn is None
    assert not optimizer.phase(variable).requires_grad


@pytest.mark.parametrize("accumulated", [None, 2])
@pytest.mark.parametrize("norm", [None, "rmsprop", "adagrad"])
def test_stateless_steps_follow_the_phase_form_and_change_nothing(accumulated, norm):
    options = {"beta": 0.3, "weight_decay": 0.1, "norm": norm}
    optimizer = INDIAN(learning_rate=0.1, gradient_accumulation_steps=accumulated, **options)
    variable, reference = keras.Variable([1.0, 2.0], dtype="float64"), PhaseForm([1.0, 2.0], **options)
    optimizer.build([variable])
    values, state = [variable.value], [v.value for v in optimizer.variables]
    with torch.no_grad():
        for k in range(6):
            given = [tensor.clone() for tensor in values + state]
            new = optimizer.stateless_apply(state, [torch.tensor([0.5, -1.0], dtype=torch.float64)], values)
            assert all(torch.equal(*pair) for pair in zip(values + state, given, strict=True))
            values, state = new
            if accumulated is None or k % accumulated == 1:
                reference.step([0.5, -1.0], 0.1)
            np.testing.assert_allclose(values[0], reference.theta, rtol=1e-12)
    np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])


@pytest.mark.parametrize(
    "options", [{}, {"gradient_accumulation_steps": 2}, {"use_ema": True}, {"norm": "rmsprop"}], ids=str
)
def test_stateless_steps_outside_no_grad_leave_no_graph_behind(options):
    optimizer, variable = INDIAN(learning_rate=0.1, **options), keras.Variable([1.0, 2.0], dtype="float64")
    optimizer.build([variable])
    values, state = [variable.value], [v.value for v in optimizer.variables]
    for _ in range(3):
        # A gradient may itself be part of a graph.
        gradient = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True) * 2
        values, state = optimizer.stateless_apply(state, [gradient], values)
        assert [tensor.grad_fn for tensor in values + state] == [None] * len(values + state)
    assert not np.array_equal(values[0].numpy(), [1.0, 2.0])


def test_a_parameter_of_torch_is_accepted_as_a_hyperparameter():
    assert INDIAN(alpha=torch.nn.Parameter(torch.tensor(0.5))).alpha == 0.5


def test_a_sparse_gradient_is_the_dense_one_that_it_stands_for():
    dense = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
    values = []
    for gradient in (dense, dense.to_sparse()):
        variables = [keras.Variable(np.ones(2), dtype="float64"), keras.Variable(np.ones((2, 2)), dtype="float64")]
        optimizer = INDIAN(learning_rate=0.1)
        for _ in range(2):
            optimizer.apply([torch.ones(2, dtype=torch.float64), gradient], variables)
        values.append([variable.numpy() for variable in variables])
    np.testing.assert_array_equal(values[0][0], values[1][0])
    np.testing.assert_array_equal(values[0][1], values[1][1])
