"""Products with Hessian and Gauss–Newton matrix, the networks they work on, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy, mse_loss

from indian_core.trust_region import Settings
from indian_torch import TrustRegion
from indian_torch._trust_region.curvature import differentiate
from indian_torch._trust_region.flat_layout import FlatLayout

CURVATURES = ("hessian", "gauss_newton", "none")

each_curvature = pytest.mark.parametrize("curvature", CURVATURES)


class Recurrent(torch.nn.Module):
    """The last output of a recurrent layer, through a ReLU."""

    def __init__(self, kind: type[torch.nn.Module]) -> None:
        super().__init__()
        self.layer = kind(2, 4, batch_first=True)
        self.last = torch.nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.layer(x)[0][:, -1]))


def multilayer(activation: Callable[[], torch.nn.Module] = torch.nn.Tanh) -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, 5), activation(), torch.nn.Linear(5, 3))


NETWORKS: dict[str, tuple[Callable[[], torch.nn.Module], tuple[int, ...]]] = {
    "multilayer": (lambda: multilayer(torch.nn.ReLU), (4,)),
    "convolutional": (
        lambda: torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3),
            torch.nn.BatchNorm2d(2),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(8, 3),
        ),
        (1, 6, 6),
    ),
    "lstm": (lambda: Recurrent(torch.nn.LSTM), (5, 2)),
    "gru": (lambda: Recurrent(torch.nn.GRU), (5, 2)),
}


def problem(
    name: str, curvature: str, loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy
) -> tuple[torch.nn.Module, Callable[[], Any]]:
    """A network and the closure of its full batch."""
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    model, x = make(), torch.randn(24, *shape)
    target = torch.randint(0, 3, (24,)) if loss is cross_entropy else torch.randn(24, 3)

    def closure() -> Any:
        output = model(x)
        value = loss(output, target)
        return (value, output) if curvature == "gauss_newton" else value

    return model, closure


@each_curvature
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_with_relu_are_fitted(name: str, curvature: str) -> None:
    model, closure = problem(name, curvature)
    optimizer = TrustRegion(model.parameters(), curvature=curvature, radius=0.1, expand_factor=1.5, expand_ratio=0.75)
    losses = [optimizer.step(closure).item() for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    spent = optimizer.report.backpropagations
    assert spent == 12 if curvature == "none" else spent >= 24


@pytest.mark.parametrize("loss", [cross_entropy, mse_loss])
@pytest.mark.parametrize("curvature", ["hessian", "gauss_newton"])
def test_products_are_those_of_the_matrix(loss: Callable[[Tensor, Tensor], Tensor], curvature: str) -> None:
    """The matrix is formed by other means: `torch.func` on the network as a function of a vector."""
    torch.manual_seed(0)
    model, x = multilayer().double(), torch.randn(7, 4, dtype=torch.float64)
    target = torch.randint(0, 3, (7,)) if loss is cross_entropy else torch.randn(7, 3, dtype=torch.float64)
    names, params = zip(*model.named_parameters(), strict=True)
    layout = FlatLayout(params)
    w = layout.vector(params).detach()

    def output_at(w: Tensor) -> Tensor:
        return torch.func.functional_call(model, dict(zip(names, layout.views(w), strict=True)), (x,))

    if curvature == "hessian":
        expected = torch.func.jacrev(torch.func.jacrev(lambda w: loss(output_at(w), target)))(w)
    else:
        jacobian = torch.func.jacrev(lambda w: output_at(w).reshape(-1))(w)
        bent = torch.func.jacrev(torch.func.jacrev(lambda z: loss(z.reshape(7, 3), target)))(
            output_at(w).detach().reshape(-1)
        )
        expected = jacobian.T @ bent @ jacobian
    output = model(x)
    value = loss(output, target)
    local = differentiate((value, output) if curvature == "gauss_newton" else value, layout, curvature)
    actual = torch.stack([local.product(direction) for direction in torch.eye(w.numel(), dtype=w.dtype)])
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(local.gradient, torch.func.grad(lambda w: loss(output_at(w), target))(w))


def test_gauss_newton_products_of_several_outputs_are_those_of_all_of_them_in_one() -> None:
    torch.manual_seed(0)
    model, x, vector = multilayer(), torch.randn(6, 4), None
    layout = FlatLayout(list(model.parameters()))
    products = []
    for parts in (1, 3):
        outputs = [part.clone() for part in model(x).chunk(parts, dim=1)]
        loss = cross_entropy(torch.cat(outputs, dim=1), torch.arange(6) % 3)
        # Of the last one the loss is no function.
        returned = (loss, [*outputs, model(x)] if parts > 1 else outputs[0])
        local = differentiate(returned, layout, "gauss_newton")
        vector = torch.randn_like(local.gradient) if vector is None else vector
        assert local.product is not None
        products.append(local.product(vector))
    torch.testing.assert_close(products[0], products[1])


def test_gauss_newton_of_a_loss_that_is_linear_in_the_output_has_no_curvature() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = TrustRegion(model.parameters(), curvature="gauss_newton", norm=None, radius=0.5)

    def closure() -> Any:
        output = model(torch.ones(3, 2))
        return output.mean(), output

    loss = optimizer.step(closure)
    assert closure()[0].item() == pytest.approx(loss.item() - 0.5 * 3**0.5, rel=1e-5)


def test_the_closure_may_differentiate_with_respect_to_its_input() -> None:
    """As physics-informed networks do, at the trial point too."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    x = torch.linspace(0, 1, 20, dtype=torch.float64).reshape(-1, 1).requires_grad_()

    def closure() -> Tensor:
        u = model(x)
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return (slope + u).square().mean() + (u[0] - 1).square().sum()

    optimizer = TrustRegion(model.parameters(), radius=0.1, expand_factor=2.0, expand_ratio=0.75)
    losses = [optimizer.step(closure).item() for _ in range(20)]
    assert losses[-1] < 1e-2 * losses[0]
    assert x.grad is None


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * gradient


def attention(x: Tensor) -> Tensor:
    """The fused kernel for the CPU, which has no second derivative."""
    heads = x.repeat(64).reshape(1, 1, 16, -1)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.FLASH_ATTENTION):
        return torch.nn.functional.scaled_dot_product_attention(heads, heads, heads).square().sum()


def backward_called(x: Tensor) -> Tensor:
    loss = x.square().sum()
    loss.backward()
    return loss


REFUSED: dict[str, tuple[Callable[[Tensor], Any], type[Exception], str]] = {
    "nothing": (lambda x: None, TypeError, "closure must return the loss as a tensor .*, got NoneType"),
    "number": (lambda x: 1.0, TypeError, "closure must return the loss as a tensor .*, got float"),
    "array": (lambda x: np.float32(1), TypeError, "a tensor of a floating dtype, got float32 of dtype float32"),
    "integer": (lambda x: torch.tensor(1), TypeError, "a tensor of a floating dtype, got Tensor of dtype torch.int64"),
    "complex": (lambda x: x.sum() * 1j, TypeError, "a tensor of a floating dtype, got Tensor of dtype torch.complex64"),
    "pair": (lambda x: (x.sum(), x), TypeError, "closure must return the loss as a tensor .*, got tuple"),
    "vector": (lambda x: x * 2, ValueError, r"a loss of one element, got a tensor of shape \(4,\)"),
    "empty": (lambda x: x[:0], ValueError, r"a loss of one element, got a tensor of shape \(0,\)"),
    "detached": (
        lambda x: x.detach().sum(),
        ValueError,
        "a loss that depends on the parameters, got one that is detached",
    ),
    "of_others": (
        lambda x: torch.ones(1, requires_grad=True).sum(),
        ValueError,
        "a loss that depends on the parameters",
    ),
    "backward": (backward_called, RuntimeError, "closure must return the loss without calling backward on it"),
    "once": (
        lambda x: Once.apply(x).sum(),
        RuntimeError,
        "cannot be differentiated twice: Once has no second derivative",
    ),
    "in_part": (lambda x: (Once.apply(x) + x**2).sum(), RuntimeError, "twice: Once has no second derivative"),
    "distance": (lambda x: torch.cdist(x[:, None], torch.ones(3, 1), p=3).sum(), RuntimeError, "_cdist has no second"),
    "attention": (attention, RuntimeError, "cannot be differentiated twice: .*attention.* has no second derivative"),
    "error": (lambda x: x.reshape(3), RuntimeError, "shape"),
}


def cdist_has_a_second_derivative() -> bool:
    x = torch.linspace(0.5, 1.0, 4).requires_grad_()
    loss, _, _ = REFUSED["distance"]
    (gradient,) = torch.autograd.grad(loss(x), x, create_graph=True)
    try:
        gradient.sum().backward()
    except RuntimeError:
        return False
    return True


@pytest.mark.parametrize("subproblem", ["steihaug", "lanczos"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_closure_must_not_return(name: str, subproblem: str) -> None:
    if name == "distance" and cdist_has_a_second_derivative():
        pytest.skip("in this release of PyTorch, the operation has a second derivative")
    loss, error, message = REFUSED[name]
    x = torch.linspace(0.5, 1.0, 4).requires_grad_()
    optimizer = TrustRegion([x], subproblem=subproblem, radius=0.1)
    optimizer.step(lambda: x.square().sum())
    before, state, report = x.detach().clone(), optimizer.state_dict(), optimizer.report
    accumulator = state["state"][0]["accumulator"].clone()
    numbers = {key: value for key, value in state["state"][0].items() if key != "accumulator"}
    with pytest.raises(error, match=message):
        optimizer.step(lambda: loss(x))
    assert torch.equal(x, before)
    assert torch.equal(optimizer.state[x]["accumulator"], accumulator)
    assert all(optimizer.state[x][key] == value for key, value in numbers.items())
    assert optimizer.report is report
    # And it goes on.
    optimizer.step(lambda: x.square().sum())
    assert optimizer.report.accepted


def test_an_error_at_the_trial_point_leaves_the_parameters() -> None:
    x = torch.ones(3, requires_grad=True)
    optimizer = TrustRegion([x], radius=0.1)
    losses = iter([lambda: x.square().sum()])
    with pytest.raises(StopIteration):
        optimizer.step(lambda: next(losses)())
    assert torch.equal(x, torch.ones(3))
    assert optimizer.radius == 0.1


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda x: x.sum(), TypeError, r"must return the pair \(loss, output\) .*, got Tensor"),
        (lambda x: (x.sum(), x.detach()), TypeError, "closure must return as output a tensor"),
        (lambda x: (x.sum(), 1.0), TypeError, "closure must return as output a tensor"),
        (lambda x: (x.square().sum(), [x, 1.0]), TypeError, "closure must return as output a tensor"),
        (lambda x: (x.square().sum(), []), TypeError, "closure must return as output a tensor"),
        (lambda x: (x.square().sum(), x * 2), ValueError, "a loss that depends on the output that it returns"),
        (
            lambda x: (x.square().sum(), x.square()),
            ValueError,
            "a loss that depends on the output that it returns",
        ),
    ],
    ids=["no_pair", "detached", "number", "number_in_list", "empty_list", "unused", "another"],
)
def test_what_a_gauss_newton_closure_must_not_return(
    returned: Callable[[Tensor], Any], error: type[Exception], message: str
) -> None:
    x = torch.ones(3, requires_grad=True)
    optimizer = TrustRegion([x], curvature="gauss_newton", radius=0.1)
    with pytest.raises(error, match=message):
        optimizer.step(lambda: returned(x))
    assert torch.equal(x, torch.ones(3))


def test_gauss_newton_names_the_operation_too() -> None:
    x = torch.ones(3, requires_grad=True)
    optimizer = TrustRegion([x], curvature="gauss_newton", radius=0.1)

    def closure() -> Any:
        output = Once.apply(x)
        return output.square().sum(), output

    with pytest.raises(RuntimeError, match="Once has no second derivative"):
        optimizer.step(closure)
    first_order = TrustRegion([x], curvature="none", radius=0.1)
    first_order.step(lambda: closure()[0])
    assert first_order.report.accepted


def test_sparse_gradients_are_refused() -> None:
    embedding = torch.nn.Embedding(3, 2, sparse=True)
    optimizer = TrustRegion(embedding.parameters(), curvature="none")
    with pytest.raises(RuntimeError, match="TrustRegion does not support sparse gradients"):
        optimizer.step(lambda: embedding(torch.tensor([1])).sum())


def test_one_parameter_at_least_must_require_a_gradient() -> None:
    optimizer = TrustRegion([torch.ones(1)])
    with pytest.raises(ValueError, match="params must have a parameter that requires a gradient, got none"):
        optimizer.step(lambda: torch.ones(1, requires_grad=True).sum())


@pytest.mark.parametrize("closure", [None, 1.0, torch.ones(1)])
def test_the_closure_must_be_a_function(closure: Any) -> None:
    optimizer = TrustRegion([torch.ones(1, requires_grad=True)])
    with pytest.raises(TypeError, match="closure must be a function that returns the loss, got"):
        optimizer.step(closure)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_parameters_must_be_of_a_dtype_that_tells_losses_apart(dtype: torch.dtype) -> None:
    bad, good = torch.ones(2).to(dtype), torch.ones(2)
    message = f"params must be of dtype float32 or float64, got a parameter of dtype {dtype}"
    with pytest.raises(TypeError, match=message):
        TrustRegion([bad])
    optimizer = TrustRegion([good])
    with pytest.raises(TypeError, match=message):
        optimizer.add_param_group({"params": [bad]})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("radius", -1.0, ValueError),
        ("norm", "l2", ValueError),
        ("tolerance", "small", TypeError),
        ("max_iterations", 0, ValueError),
    ],
)
def test_hyperparameters_are_checked_at_construction(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"{name} must be "):
        TrustRegion([torch.ones(1)], **{name: value})


def test_every_hyperparameter_of_the_core_can_be_set() -> None:
    chosen = Settings("adagrad", "none", "lanczos", 0.5, 5.0, 0.1, 0.8, 2.0, 3.0, 0.2, 7, 0.5, 1e-3)
    optimizer = TrustRegion([torch.ones(1)], **chosen._asdict())
    assert {name: optimizer.param_groups[0][name] for name in chosen._fields} == chosen._asdict()


def test_groups_have_no_hyperparameters_of_their_own() -> None:
    groups = [{"params": [torch.ones(1)]}, {"params": [torch.ones(1)], "radius": 1.0}]
    with pytest.raises(ValueError, match=r"radius must be the same in all parameter groups, 0\.1, got 1\.0"):
        TrustRegion(groups, radius=0.1)
    optimizer = TrustRegion(groups[:1], radius=0.1)
    with pytest.raises(ValueError, match="norm must be the same in all parameter groups, 'rmsprop', got None"):
        optimizer.add_param_group({"params": [torch.ones(1)], "norm": None})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": [torch.ones(1)], "radius": 0.1})


def test_a_radius_can_be_set_within_its_range() -> None:
    optimizer = TrustRegion([torch.ones(1)])
    optimizer.radius = 2
    assert optimizer.radius == 2.0
    for bad in (0.0, 11.0, float("nan")):
        with pytest.raises(ValueError, match="radius must be"):
            optimizer.radius = bad
    assert optimizer.radius == 2.0
