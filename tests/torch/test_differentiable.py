"""Gradients through steps of the optimizer."""

from typing import Any

import pytest
import torch

from indian_torch import INDIAN

SMOOTH = {"lr": 0.1, "alpha": 0.5, "beta": 0.25, "initial_speed": 0.75, "weight_decay": 0.125}


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values if len(values) > 1 else values[0], dtype=torch.float64, requires_grad=True)


def after_steps(steps: int, param: Any, gradient: Any, **hyperparameters: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """θ and m after some steps, the gradient of each depending on θ."""
    param = param.clone()
    optimizer = INDIAN([param], **hyperparameters, differentiable=True)
    for k in range(steps):
        param.grad = gradient * (k + 1) + param.clone() ** 2
        optimizer.step()
    return param, optimizer.velocity(param)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    "hyperparameters",
    [SMOOTH, SMOOTH | {"lr": 2.0}, {"lr": 0.1, "alpha": 0.5}, {"beta": 0.25}, {"initial_speed": 0.75}, {}],
    ids=["all", "alpha_lr_is_1", "lr_and_alpha", "beta", "initial_speed", "none"],
)
def test_derivatives_by_everything(hyperparameters: dict[str, float], steps: int, maximize: bool) -> None:

    def run(param: torch.Tensor, gradient: torch.Tensor, *values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        named = dict(zip(hyperparameters, values, strict=True))
        return after_steps(steps, param, gradient, **named, maximize=maximize)

    inputs = (tensor(0.5, -0.25), tensor(1.0, 0.5), *map(tensor, hyperparameters.values()))
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_gradient_reaches_each_hyperparameter() -> None:
    values = {name: tensor(value) for name, value in SMOOTH.items()}
    param, _ = after_steps(3, tensor(0.5, -0.25), tensor(1.0, 0.5), **values)
    param.sum().backward()
    for name, value in values.items():
        assert value.grad is not None, name
        assert value.grad != 0, name


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_than_the_hyperparameters(dtype: torch.dtype) -> None:
    lr = tensor(0.1)
    param, velocity = after_steps(2, torch.ones(2, dtype=dtype), torch.ones(2, dtype=dtype), lr=lr)
    assert param.dtype == velocity.dtype == dtype
    param.sum().backward()
    assert lr.grad is not None
    assert lr.grad.dtype == torch.float64


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_hyperparameter_may_be_learnt() -> None:
    """The best lr for one step of gradient descent on θ²/2: INDIAN with s = 1 takes that step first; lr = 1 ends it."""
    lr = tensor(0.5)
    for _ in range(50):
        start = tensor(1.0).detach().clone().requires_grad_()
        param = start.clone()
        optimizer = INDIAN([param], lr=lr, differentiable=True)
        param.grad = start
        optimizer.step()
        (slope,) = torch.autograd.grad(param.square() / 2, lr)
        lr = (lr - 0.5 * slope).detach().requires_grad_()
    assert lr.item() == pytest.approx(1.0)


def test_usual_step_leaves_no_graph() -> None:
    param = torch.ones(2, requires_grad=True)
    lr = torch.tensor(0.1, requires_grad=True)
    optimizer = INDIAN([param], lr=lr)
    param.grad = torch.ones(2)
    optimizer.step()
    assert param.grad_fn is None
    assert not optimizer.velocity(param).requires_grad
