"""What PyTorch demands of the optimizers in torch.optim, demanded of INDIAN.

The description that these tests run over, with PyTorch's own harness, is in `tests.torch.pytorch_harness`. Properties
that the other files here hold for every implementation are not repeated.
"""

import copy
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.testing._internal.common_optimizers import OptimizerErrorEnum

from indian_core.dynamics import pre_form, velocity_step
from indian_torch import INDIAN
from tests.releases import needs
from tests.torch.implementations import IMPLEMENTATIONS, each_norm, implementations
from tests.torch.pytorch_harness import CONFIGURATIONS, EVERY_WAY, INFO, arguments

USUAL: dict[str, Any] = {"lr": 0.05, "alpha": 0.5, "beta": 0.2, "weight_decay": 0.1}

each_way = pytest.mark.parametrize("way", EVERY_WAY)

ALL = ("for_loop", "foreach", "fused", "capturable", "differentiable")

each_implementation = implementations(*ALL)

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


def tensors(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Of every shape, and every order in memory."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    return [
        normal(2, 3),
        normal(5),
        normal(),
        normal(0, 3),
        normal(3, 2).t(),
        normal(2, 6)[:, ::2],
        normal(2, 3, 2, 2).to(memory_format=torch.channels_last),
    ]


def give_gradients(params: list[Tensor], k: int) -> None:
    """Gradients of step k, the same whatever the parameters are."""
    for i, param in enumerate(params):
        numbers = torch.arange(param.numel(), dtype=torch.float64).reshape(param.shape)
        param.grad = torch.empty_like(param).copy_(torch.sin(1 + numbers + 3 * i + k))


def train(optimizer: INDIAN, ks: range) -> None:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for k in ks:
        give_gradients(params, k)
        optimizer.step()


def assert_same(actual: Any, expected: Any, tolerance: float = 0.0) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


# The description


def test_description_leaves_the_implementation_to_the_test() -> None:
    named = {name for given in INFO.optim_inputs_func("cpu") for name in given.kwargs}
    assert not named & {"foreach", "fused", "differentiable"}


def test_description_covers_every_argument() -> None:
    constructor = set(inspect.signature(INDIAN).parameters) - {"params"}
    described = {name for given in INFO.optim_inputs_func("cpu") for name in given.kwargs} | set(INFO.supported_impls)
    assert constructor == described


def test_errors() -> None:
    for given in INFO.optim_error_inputs_func("cpu", torch.float32):
        params, kwargs = given.optimizer_error_input.params, given.optimizer_error_input.kwargs
        call = INDIAN(params, **kwargs).step if given.error_on is OptimizerErrorEnum.STEP_ERROR else INDIAN
        with pytest.raises(given.error_type, match=given.error_regex):
            call() if given.error_on is OptimizerErrorEnum.STEP_ERROR else call(params, **kwargs)


# Descent


class Regression:
    """The loss |Wx + b|² and its gradient, without autograd, so that ``differentiable`` can train it, too."""

    def __init__(self, *, contiguous: bool) -> None:
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(5, generator=generator)
        self.params = [torch.randn(shape, generator=generator) for shape in ((10, 5), (10,))]
        if not contiguous:
            self.params = [torch.stack([p, p], dim=-1)[..., 0] for p in self.params]

    def loss(self) -> Tensor:
        weight, bias = self.params
        residual = weight.mv(self.x) + bias
        weight.grad = torch.empty_like(weight).copy_(2 * residual.outer(self.x))
        bias.grad = torch.empty_like(bias).copy_(2 * residual)
        return residual.square().sum()


def assert_right_direction(problem: Regression, optimizer: INDIAN, schedulers: list[Any]) -> None:
    start = problem.loss().item()
    for _ in range(20):
        loss = problem.loss()
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step(*([loss.item()] if isinstance(scheduler, ReduceLROnPlateau) else []))
    end = problem.loss().item()
    assert end > start if optimizer.param_groups[0]["maximize"] else end < start


@pytest.mark.parametrize("contiguous", [True, False], ids=["contiguous", "strided"])
@each_way
def test_goes_in_the_right_direction(way: str, contiguous: bool) -> None:
    problem = Regression(contiguous=contiguous)
    assert_right_direction(problem, INDIAN(problem.params, **arguments(way)), [])


@pytest.mark.parametrize("index", range(len(INFO.scheduler_inputs)))
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_goes_in_the_right_direction_with_schedulers(configuration: str, index: int) -> None:
    problem = Regression(contiguous=True)
    optimizer = INDIAN(problem.params, **arguments(configuration))
    assert_right_direction(problem, optimizer, [make(optimizer) for make in INFO.scheduler_inputs[index]])


@pytest.mark.parametrize("index", range(len(INFO.scheduler_inputs)))
@each_implementation
def test_groups_with_schedulers_go_in_the_right_direction(flags: dict[str, Any], index: int) -> None:
    problem = Regression(contiguous=True)
    weight, bias = problem.params
    optimizer = INDIAN([{"params": [weight]}, {"params": [bias], "lr": 0.01}], **flags)
    assert_right_direction(problem, optimizer, [make(optimizer) for make in INFO.scheduler_inputs[index]])


@each_way
def test_parameters_whose_step_size_is_tiny_stay(way: str) -> None:
    """Next to a group that moves, and with a scale of the velocity as extreme as the step size makes it."""
    (moving, *_), (still, *_) = tensors(), tensors()
    before = still.clone()
    optimizer = INDIAN([{"params": [moving]}, {"params": [still], "lr": 1e-28}], **arguments(way))
    train(optimizer, range(5))
    assert_same(still, before)
    assert not torch.equal(moving, before)


@each_way
def test_zero_gradients_move_nothing(way: str) -> None:
    params = tensors()
    optimizer = INDIAN(params, **arguments(way) | {"weight_decay": 0.0})
    for _ in range(3):
        for p in params:
            p.grad = torch.zeros_like(p)
        optimizer.step()
    for p, before in zip(params, tensors(), strict=True):
        assert_same(p, before)
        assert not optimizer.velocity(p).any()


# The implementations are one optimizer


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # In 16 bits θ is rounded once in a step, the velocity in between.
    [(torch.float64, 1e-13), (torch.float32, 2e-6), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)],
    ids=["float64", "float32", "float16", "bfloat16"],
)
@implementations("foreach", "fused", "capturable", "differentiable")
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_implementations_agree(configuration: str, flags: dict[str, Any], dtype: torch.dtype, tolerance: float) -> None:
    """With the loop over parameters, which in 16 bits is compared with in float64."""
    params, exact_params = tensors(dtype), [p.to(torch.float64) if dtype.itemsize == 2 else p for p in tensors(dtype)]
    optimizer = INDIAN(params, **arguments(configuration, **flags))
    exact = INDIAN(exact_params, **arguments(configuration, **IMPLEMENTATIONS["for_loop"]))
    for k in range(4):
        for one in (optimizer, exact):
            train(one, range(k, k + 1))
        for p, q in zip(params, exact_params, strict=True):
            assert_same(p.to(q.dtype), q, tolerance)
    for p, q in zip(params, exact_params, strict=True):
        assert_same(optimizer.velocity(p).to(q.dtype), exact.velocity(q).to(q.dtype), tolerance)
        assert_same(optimizer.state[p]["step"], exact.state[q]["step"])
        assert optimizer.velocity(p).stride() == p.stride() or not p.is_contiguous()


@each_implementation
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("arrange_param", "arrange_grad"),
    [
        (torch.Tensor.contiguous, lambda g: g.to(memory_format=torch.channels_last)),
        (lambda p: p.to(memory_format=torch.channels_last), torch.Tensor.contiguous),
        (torch.Tensor.contiguous, lambda g: g.transpose(0, 1).contiguous().transpose(0, 1)),
        (lambda p: p.transpose(2, 3).contiguous().transpose(2, 3), torch.Tensor.contiguous),
        (lambda p: torch.stack([p, p])[0], lambda g: torch.stack([g, g], -1)[..., 0]),
        (lambda p: torch.cat([p, p], -1)[..., : p.shape[-1]], torch.Tensor.contiguous),
        (lambda p: torch.stack([p, p], -1)[..., 0], lambda g: torch.stack([g, g], -1)[..., 0]),
        (torch.Tensor.contiguous, lambda g: g[:1, :1, :1, :1].expand(g.shape)),
    ],
    ids=["grad_nhwc", "param_nhwc", "grad_transposed", "param_transposed", "offset", "sliced", "gaps", "grad_expanded"],
)
def test_order_in_memory_does_not_matter(
    flags: dict[str, Any],
    dtype: torch.dtype,
    arrange_param: Callable[[Tensor], Tensor],
    arrange_grad: Callable[[Tensor], Tensor],
) -> None:
    """Of the parameter, nor of a gradient in another order, over which a kernel that looks at no strides stumbles."""
    start = torch.randn((4, 3, 5, 2), generator=torch.Generator().manual_seed(0)).to(dtype)
    plain, arranged = start.clone(), arrange_param(start.clone())
    plain_optimizer, optimizer = (INDIAN([p], **USUAL, **flags) for p in (plain, arranged))
    for k in range(4):
        gradient = arrange_grad(torch.cos(torch.arange(120.0) + k).reshape(4, 3, 5, 2).to(dtype))
        plain.grad, arranged.grad = gradient.contiguous(), gradient
        assert arranged.grad.stride() == gradient.stride()
        plain_optimizer.step()
        optimizer.step()
        assert_same(arranged, plain, 1e-6 if dtype == torch.float32 else 1e-2)


@each_norm
@implementations("for_loop", "foreach", "capturable", "differentiable")
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_complex_matrices_equal_their_real_view(
    flags: dict[str, Any], norm: dict[str, Any], dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn((3, 2), dtype=dtype, generator=generator) for _ in range(2)]
    params[1] = params[1].t()
    real_params = [torch.view_as_real(p).clone() for p in params]
    optimizers = [INDIAN(p, **USUAL, **norm, **flags) for p in (params, real_params)]
    for k in range(4):
        for p, q in zip(params, real_params, strict=True):
            p.grad = p.detach() * (0.5 + 1j) + k
            q.grad = torch.view_as_real(p.grad).clone()
        for optimizer in optimizers:
            optimizer.step()
        for p, q in zip(params, real_params, strict=True):
            assert_same(torch.view_as_real(p.contiguous()), q.contiguous(), 1e-5)


@implementations("for_loop", "fused")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "arrange",
    [
        lambda p: p,
        lambda p: p.reshape(600, 500).t(),
        lambda p: torch.stack([p, p], -1)[..., 0],
        lambda p: torch.stack([p.reshape(1, -1)] * 2, -1)[..., 0],
        lambda p: torch.stack([p.reshape(-1, 1)] * 2, -1)[..., 0],
    ],
    ids=["contiguous", "transposed", "gaps", "wide", "tall"],
)
def test_tensors_that_are_computed_in_pieces(
    flags: dict[str, Any], dtype: torch.dtype, arrange: Callable[[Tensor], Tensor]
) -> None:
    """More than 2¹⁸ elements; each moves as in one piece."""
    param = arrange(torch.linspace(-1, 1, 300_000).to(dtype))
    theta, velocity = param.clone(), torch.zeros_like(param)
    optimizer = INDIAN([param], **USUAL, **flags)
    for k in range(3):
        param.grad = arrange(torch.cos(torch.arange(300_000.0) + k).to(dtype))
        optimizer.step()
        coefficients = pre_form(0.05, 0.5, 0.2, weight_decay=0.1, first=k == 0)  # USUAL
        displacement, exact = velocity_step(theta.float(), velocity.float(), param.grad.float(), coefficients)
        theta, velocity = (theta.float() + displacement).to(dtype), exact.to(dtype)
        tolerance = 1e-6 if dtype == torch.float32 else 2**-7
        assert_same(param, theta, tolerance)
    assert_same(optimizer.velocity(param), velocity, tolerance)


@pytest.mark.parametrize("default", [torch.float64, torch.float16])
@each_implementation
def test_default_dtype_of_torch_changes_the_dtype_of_the_step_count_alone(
    flags: dict[str, Any], default: torch.dtype
) -> None:
    params, expected = tensors(), tensors()
    train(INDIAN(expected, **USUAL, **flags), range(4))
    torch.set_default_dtype(default)
    try:
        optimizer = INDIAN(params, **USUAL, **flags)
        train(optimizer, range(4))
        # In float16 it would count to 2048 only.
        dtype = torch.float64 if default == torch.float64 else torch.float32
        assert {state["step"].dtype for state in optimizer.state.values()} == {dtype}
    finally:
        torch.set_default_dtype(torch.float32)
    assert_same(params, expected, 1e-7)


@each_norm
@each_implementation
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_gradients_that_are_not_finite_spread_as_in_sgd(
    flags: dict[str, Any], norm: dict[str, Any], bad: float
) -> None:
    """In one element, from that step on; nothing is refused, and nothing else is touched."""
    params, sgd_params = ([torch.ones(5), torch.ones(2)] for _ in range(2))
    optimizer = INDIAN(params, **USUAL, **norm, **flags)
    sgd = torch.optim.SGD(sgd_params, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1)
    for k in range(5):
        for one in (params, sgd_params):
            give_gradients(one, k)
            if k == 2:
                one[0].grad[3] = bad
        optimizer.step()
        sgd.step()
        assert_same([p.isfinite() for p in params], [p.isfinite() for p in sgd_params])
    assert params[0].isfinite().tolist() == [True, True, True, False, True]
    clean = [torch.ones(5), torch.ones(2)]
    train(INDIAN(clean, **USUAL, **norm, **flags), range(5))
    assert_same(params[0][:3], clean[0][:3], 1e-6)
    assert_same(params[1], clean[1], 1e-6)


# Hyperparameters that change, and parameters that come and go, while the velocity is a multiple

SEQUENCES: dict[str, list[dict[str, Any]]] = {
    "across_beta": [{"lr": lr} for lr in (0.05, 0.19, 0.3, 0.3, 0.2, 0.05, 0.2 + 1e-7, 0.1)],
    "at_beta": [{"lr": 0.2}, {"lr": 0.2}, {"lr": 0.1}, {"lr": 0.2}, {"lr": 0.1}],
    "alpha_lr_across_1": [{"lr": 0.1, "alpha": a} for a in (0.5, 9.0, 10.0, 11.0, 15.0, 30.0, 10.0, 0.5)],
    "alpha_beta_across_1": [{"lr": 0.1, "alpha": a} for a in (0.5, 5.0, 5.0, 6.0, 0.0, 0.0, 5.0)],
    "to_zero_and_back": [{"lr": lr} for lr in (0.1, 0.0, 0.0, 0.1, 1e-12, 0.1)],
    "up_and_down": [{"maximize": m} for m in (False, True, True, False, True)],
    "decay": [{"lr": 0.15, "weight_decay": d} for d in (0.0, 0.5, 5.0, 20.0, 0.5, 0.0)],
    "beta_by_far": [{"lr": 0.1, "beta": b} for b in (0.2, 1e4, 0.2, 0.101, 1e3, 0.05)],
}


@each_implementation
@pytest.mark.parametrize("changes", SEQUENCES.values(), ids=SEQUENCES)
def test_hyperparameters_may_cross_where_the_multiple_has_no_value(
    flags: dict[str, Any], changes: list[dict[str, Any]]
) -> None:
    param = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    optimizer = INDIAN([param], **USUAL, **flags)
    theta, velocity = param.clone(), torch.zeros_like(param)
    for k, change in enumerate([USUAL, *changes]):
        group = optimizer.param_groups[0]
        group.update(change)
        give_gradients([param], k)
        gradient = param.grad
        optimizer.step()
        numbers = {name: group[name] for name in ("alpha", "beta", "weight_decay")}
        coefficients = pre_form(group["lr"], **numbers, first=k == 0)
        coefficients = coefficients.ascent() if group["maximize"] else coefficients
        displacement, velocity = velocity_step(theta, velocity, gradient, coefficients)
        theta = theta + displacement
        scale = max(1.0, theta.abs().max().item(), velocity.abs().max().item())
        assert_same(param, theta, 1e-11 * scale)
        assert_same(optimizer.velocity(param), velocity, 1e-11 * scale)


@each_norm
@each_implementation
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_parameters_that_move_only_sometimes_move_as_alone(
    flags: dict[str, Any], norm: dict[str, Any], dtype: torch.dtype
) -> None:
    """While the step size changes, so that within one group velocities are different multiples."""
    params, alone = ([torch.linspace(-1, 1, 4, dtype=dtype) + i for i in range(4)] for _ in range(2))
    arguments = USUAL | norm | flags
    optimizer, own = INDIAN(params, **arguments), [INDIAN([p], **arguments) for p in alone]
    for k in range(16):
        lr = 0.05 + 0.02 * k  # over β = 0.2 on the way
        for i in range(4):
            active = k % (i + 1) == 0 and k >= i
            for param in (params[i], alone[i]):
                param.grad = None
                if active:
                    give_gradients([param], 5 * i + k)
        for one in (optimizer, *own):
            one.param_groups[0]["lr"] = lr
            one.step()
        assert_same(params, alone, 1e-12 if dtype == torch.float64 else 2e-6)


# State dictionaries


@pytest.mark.parametrize("steps_before", [1, 3])
@implementations(*ALL, argument="loaded")
@implementations(*ALL, argument="saved")
def test_state_of_each_implementation_serves_each_other(
    saved: dict[str, Any], loaded: dict[str, Any], steps_before: int
) -> None:
    """The flags come with the state; here they are set back."""
    params = tensors(torch.float64)
    optimizer = INDIAN(params, **USUAL, **saved)
    train(optimizer, range(steps_before))
    other_params = [p.clone() for p in params]
    other = INDIAN(other_params, lr=9.0, **loaded)
    other.load_state_dict(optimizer.state_dict())
    group = other.param_groups[0]
    assert {name: group[name] for name in saved} == saved
    group.update({"capturable": False, "differentiable": False} | loaded)
    train(optimizer, range(3, 8))
    train(other, range(3, 8))
    assert_same(other_params, params, 1e-13)
    assert_same(other.state_dict()["state"], optimizer.state_dict()["state"], 1e-13)


@each_way
def test_step_counts_may_be_loaded_as_numbers(way: str) -> None:
    params = tensors()
    optimizer = INDIAN(params, **arguments(way))
    train(optimizer, range(3))
    state_dict = copy.deepcopy(optimizer.state_dict())
    for state in state_dict["state"].values():
        state["step"] = state["step"].item()
    optimizer.load_state_dict(state_dict)
    train(optimizer, range(3, 5))
    for p in params:
        assert isinstance(optimizer.state[p]["step"], Tensor)
        assert optimizer.state[p]["step"] == 5


@needs(torch, "2.6", "optimizers of named parameters")
@pytest.mark.parametrize("loaded_named", [True, False])
@pytest.mark.parametrize("saved_named", [True, False])
def test_names_of_parameters_neither_need_nor_hinder_a_state(saved_named: bool, loaded_named: bool) -> None:
    model = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))

    def make(named: bool) -> INDIAN:
        return INDIAN(model.named_parameters() if named else model.parameters(), **USUAL)

    optimizer, other = make(saved_named), make(loaded_named)
    with torch.no_grad():
        train(optimizer, range(2))
        other.load_state_dict(optimizer.state_dict())
        train(other, range(2))
    if saved_named or loaded_named:
        assert other.state_dict()["param_groups"][0]["param_names"] == ["0.weight", "0.bias", "1.weight", "1.bias"]


@each_way
def test_copies_have_the_same_public_attributes_and_states_that_are_not_empty(way: str) -> None:
    optimizer = INDIAN(tensors(), **arguments(way))
    train(optimizer, range(2))
    public = {name for name in vars(optimizer) if not name.startswith("_")}
    assert {name for name in vars(copy.deepcopy(optimizer)) if not name.startswith("_")} == public
    assert all(optimizer.state.values())


# Hooks


@each_way
def test_hooks_of_the_state_dict(way: str) -> None:
    """One puts something of its own into the state; another takes it out, or returns another dictionary."""
    optimizer = INDIAN(tensors(), **arguments(way))
    optimizer.register_state_dict_pre_hook(lambda o: o.state.__setitem__("note", 1))
    for k in range(3):
        train(optimizer, range(k, k + 1))
        assert optimizer.state_dict()["state"]["note"] == 1
    handle = optimizer.register_state_dict_post_hook(lambda _, given: given["state"].pop("note") and None)
    assert "note" not in optimizer.state_dict()["state"]
    handle.remove()
    optimizer.register_state_dict_post_hook(lambda _, given: {"wrapped": given})
    saved = optimizer.state_dict()
    assert saved.keys() == {"wrapped"}
    train(optimizer, range(3, 5))
    assert saved["wrapped"]["state"][0].keys() - {"accumulator"} == {"step", "velocity"}


@each_way
def test_hooks_of_loading(way: str) -> None:
    params = tensors()
    optimizer = INDIAN(params, **arguments(way))
    train(optimizer, range(2))
    velocity = optimizer.velocity(params[0])
    state_dict = optimizer.state_dict()
    seen: list[Tensor] = []

    def halve(_: Any, given: dict[str, Any]) -> dict[str, Any]:
        given = copy.deepcopy(given)
        given["state"][0]["velocity"] /= 2
        return given

    def set_lr(_: Any, given: dict[str, Any]) -> None:
        given["param_groups"] = [group | {"lr": 0.125} for group in given["param_groups"]]

    optimizer.register_load_state_dict_pre_hook(set_lr)
    optimizer.register_load_state_dict_pre_hook(halve, prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append(o.velocity(params[0])))
    optimizer.load_state_dict(state_dict)
    assert optimizer.param_groups[0]["lr"] == 0.125
    assert_same(optimizer.velocity(params[0]), velocity / 2)
    assert_same(seen, [velocity / 2])


@pytest.fixture
def calls() -> Iterator[list[str]]:
    """The names of the hooks of all optimizers, as they are called."""
    called: list[str] = []
    handles = [
        register_optimizer_step_pre_hook(lambda *_: called.append("before any")),
        register_optimizer_step_post_hook(lambda *_: called.append("after any")),
    ]
    yield called
    for handle in handles:
        handle.remove()


@each_way
def test_step_hooks_run_in_order(way: str, calls: list[str]) -> None:
    optimizer = INDIAN(tensors(), **arguments(way))
    handles = [
        optimizer.register_step_pre_hook(lambda *_: calls.append("before")),
        optimizer.register_step_post_hook(lambda *_: calls.append("after")),
    ]
    optimizer.step()
    train(optimizer, range(1))
    assert calls == 2 * ["before any", "before", "after", "after any"]
    for handle in handles:
        handle.remove()
    del calls[:]
    train(optimizer, range(1))
    assert calls == ["before any", "after any"]


# Flags


@pytest.mark.parametrize("grad_scale", [None, torch.ones(1)], ids=["unscaled", "scaled"])
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_fused_takes_no_step_with_an_infinite_gradient(configuration: str, grad_scale: Tensor | None) -> None:
    params = tensors()
    optimizer: Any = INDIAN(params, **arguments(configuration, fused=True))
    give_gradients(params, 0)
    optimizer.grad_scale, optimizer.found_inf = grad_scale, torch.ones(())
    optimizer.step()
    assert_same(params, tensors())
    assert not optimizer.state


def test_fused_refuses_devices_without_a_kernel_in_the_step_and_goes_on_elsewhere() -> None:
    """A model may be on such a device while the optimizer is made."""
    with torch.device("meta"):
        model = nn.Linear(2, 3)
    optimizer = INDIAN(model.parameters(), fused=True)
    for p in model.parameters():
        p.grad = torch.empty_like(p)
    with pytest.raises(RuntimeError, match="`fused=True` requires all the params to be floating point Tensors of supp"):
        optimizer.step()
    optimizer.zero_grad()
    torch.__future__.set_swap_module_params_on_conversion(True)  # so that the optimizer's parameters move, too
    try:
        model.to_empty(device="cpu")
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1)
        train(optimizer, range(2))
        assert all(p.isfinite().all() and (p != 1).all() for p in model.parameters())


@pytest.mark.parametrize("name", ["lr", "alpha", "beta", "initial_speed", "weight_decay", "theta"])
def test_second_derivatives_of_a_few_steps(name: str) -> None:
    """The first derivatives have tests of their own."""
    values: dict[str, float] = {"lr": 0.1, "alpha": 0.5, "beta": 0.25, "initial_speed": 0.75, "weight_decay": 0.125}

    def run(value: Tensor) -> Tensor:
        param = torch.stack([value, value * 2]) if name == "theta" else torch.tensor([0.5, -0.25], dtype=torch.float64)
        param = param.clone()
        optimizer = INDIAN([param], **values | ({} if name == "theta" else {name: value}), differentiable=True)
        for _ in range(3):
            param.grad = param.clone() ** 2 - 1
            optimizer.step()
        return param

    value = torch.tensor(values.get(name, 0.5), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(run, value)
