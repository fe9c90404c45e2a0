"""Tensors that do not go together are refused before anything has changed; gradients of another dtype work."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from indian_torch import INDIAN, DampedAdamW, DampedSGD, INNAprop, TrustRegion
from tests.torch.implementations import each_norm
from tests.torch.refusals import assert_equal, assert_refused, contents, give_gradients, parameters, start, train

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


@each_norm
@pytest.mark.parametrize("shape", [(200,), (1,), (1, 2), (), (3, 3)], ids=str)
def test_a_parameter_whose_shape_has_changed(
    implementation: dict[str, Any], norm: dict[str, Any], shape: tuple[int, ...]
) -> None:
    """Larger ones would be overwritten by the kernels, and others broadcast."""
    optimizer = start(implementation | norm, (4,), (2,), (3, 2))
    param = parameters(optimizer)[2]
    param.data = torch.ones(shape)
    message = f"parameter 1 of group 1 must be like the parameter, of shape {shape}, got gradient of shape (3, 2)"
    assert_refused(optimizer, optimizer.step, message.replace("(", r"\(").replace(")", r"\)"))
    param.grad = torch.ones(shape)
    assert_refused(optimizer, optimizer.step, r"parameter 1 of group 1 .* got (scaled_)?velocity of shape \(3, 2\)")


@each_norm
@pytest.mark.parametrize("name", ["velocity", "accumulator"])
def test_a_state_of_another_shape(implementation: dict[str, Any], norm: dict[str, Any], name: str) -> None:
    optimizer = start(implementation | norm, (4,), (2,), (3, 2))
    state = optimizer.state[parameters(optimizer)[1]]
    name = "scaled_velocity" if name == "velocity" and "multiple" in state else name
    if name not in state:
        pytest.skip("without a norm there is no accumulator")
    for other in (torch.ones(200), torch.ones(1), None):
        state[name] = other
        with pytest.raises(ValueError, match=rf"parameter 0 of group 1 .*{name}"):
            optimizer.step()
    del state[name]
    with pytest.raises(ValueError, match=f"no {name}|norm must be None where earlier steps had no norm"):
        optimizer.step()


@each_norm
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_state_on_another_device(implementation: dict[str, Any], norm: dict[str, Any], position: int) -> None:
    """As after `Module.to` where the optimizer was made before."""
    optimizer = start(implementation | norm, (4,), (2,), (3, 2), (5,))
    state = optimizer.state[parameters(optimizer)[1 + position]]
    name = "scaled_velocity" if "multiple" in state else "velocity"
    state[name] = state[name].to("meta")
    before = contents(optimizer)
    message = f"parameter {position} of group 1 .*{name} on device meta beside one on cpu"
    with pytest.raises(ValueError, match=message):
        optimizer.step()
    assert_equal([contents(optimizer)[0], [], ""], [before[0], [], ""])


@each_norm
@pytest.mark.parametrize("cls", [INDIAN, TrustRegion])
def test_parameters_in_another_order_are_refused_at_loading(
    norm: dict[str, Any], cls: type[torch.optim.Optimizer]
) -> None:
    if cls is TrustRegion and norm["norm"] is None:
        pytest.skip("the trust region without a norm has no state of a shape")
    shapes = ((20, 10), (20,))
    saved, other = (
        cls([nn.Parameter(torch.ones(shape)) for shape in order], **norm) for order in (shapes, shapes[::-1])
    )
    for optimizer in (saved, other):
        train(optimizer)
    message = r"parameter 0 of group 0, of shape \(20,\), (velocity|accumulator) of shape \(20, 10\)"
    assert_refused(other, lambda: other.load_state_dict(saved.state_dict()), message)
    train(other)


@each_norm
def test_complex_gradients_that_are_conjugate_views(implementation: dict[str, Any], norm: dict[str, Any]) -> None:
    """As autograd makes them of a conjugate; a view of real and imaginary part needs the numbers."""
    if implementation.get("fused"):
        pytest.skip("the fused kernel takes no complex parameters")
    params = [torch.ones(3, dtype=torch.complex64) for _ in range(2)]
    gradient = torch.full((3,), 0.5 - 0.25j, dtype=torch.complex64)
    for param, own in zip(params, (gradient, gradient.conj().clone().conj()), strict=True):
        optimizer = INDIAN([param], lr=0.05, **implementation, **norm)
        for _ in range(3):
            param.grad = own
            optimizer.step()
    assert own.is_conj()
    torch.testing.assert_close(*params)


def test_the_trust_region_looks_at_shapes_before_it_calls_the_closure() -> None:
    first, second = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(2, 3))
    optimizer = TrustRegion([first, second])
    train(optimizer)
    # The number of elements is the same in all.
    for old, new in ((first, torch.ones(2, 2)), (second, torch.ones(6))):
        before = old.data
        old.data = new
        assert_refused(optimizer, lambda: train(optimizer), r"parameter \d of group 0 .* got accumulator of shape")
        old.data = before
    first.data = first.data.bfloat16()
    assert_refused(optimizer, lambda: train(optimizer), "params must be of dtype float32 or float64")
    first.data = first.data.float()
    radius, steps = optimizer.radius, optimizer.state_dict()["state"][0]["steps"]
    assert_refused(optimizer, lambda: optimizer.step(lambda: 1 / 0 if first.sum() > 1e9 else None), "must return")
    assert (optimizer.radius, optimizer.state_dict()["state"][0]["steps"]) == (radius, steps)


def test_an_error_of_the_first_step_leaves_a_trust_region_without_state() -> None:
    optimizer = TrustRegion([nn.Parameter(torch.ones(4))])
    assert_refused(optimizer, lambda: optimizer.step(lambda: None), "closure must return the loss")
    assert optimizer.radius == 1e-4
    assert not optimizer.state


def skip_without_gradients_of_another_dtype() -> None:
    if not hasattr(torch.Tensor, "grad_dtype"):
        pytest.skip("in this release of PyTorch a gradient has the dtype of its tensor")


@each_norm
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("grad_dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_of_another_dtype(
    implementation: dict[str, Any], norm: dict[str, Any], dtype: torch.dtype, grad_dtype: torch.dtype
) -> None:
    """They are taken as they are, as by torch.optim.SGD; the numbers here are exact in each dtype."""
    if grad_dtype != dtype:
        skip_without_gradients_of_another_dtype()
    pairs = []
    for own in (grad_dtype, dtype):
        params = [nn.Parameter(torch.ones(shape, dtype=dtype)) for shape in ((2, 3), (5,))]
        params = [p.detach() for p in params]
        optimizer = INDIAN(params, lr=0.05, alpha=0.5, beta=0.2, weight_decay=0.1, **norm, **implementation)
        for k in range(4):
            for param in params:
                param.grad_dtype = None
                param.grad = torch.full_like(param, 0.5 + k / 4, dtype=own)
            optimizer.step()
        pairs.append(params)
    torch.testing.assert_close(*pairs)


@each_norm
@pytest.mark.parametrize("flags", [{"foreach": True}, {"foreach": False}, {"capturable": True}], ids=str)
def test_real_gradients_of_complex_parameters(flags: dict[str, Any], norm: dict[str, Any]) -> None:
    skip_without_gradients_of_another_dtype()
    pairs = []
    for dtype in (torch.float64, torch.complex128):
        param = torch.full((2,), 1 + 2j, dtype=torch.complex128)
        optimizer = INDIAN([param], **norm, **flags)
        for _ in range(3):
            param.grad_dtype = None
            param.grad = torch.full((2,), 0.5, dtype=dtype)
            optimizer.step()
        pairs.append(param)
    torch.testing.assert_close(*pairs)


def with_attribute(name: str, value: Any) -> Callable[[INDIAN], None]:
    return lambda optimizer: optimizer.param_groups[1].__setitem__(name, value)


def complex_gradient(optimizer: INDIAN) -> None:
    skip_without_gradients_of_another_dtype()
    param = parameters(optimizer)[1]
    param.grad_dtype = None
    param.grad = torch.ones(2, dtype=torch.complex64)


LATE_ERRORS: dict[str, tuple[Callable[[INDIAN], None], str]] = {
    "complex_gradient": (complex_gradient, "gradients of real parameters must be real"),
    "two_step_sizes": (with_attribute("lr", torch.ones(2)), r"one element|lr must be .* got an array of shape \(2,\)"),
    "step_size_on_meta": (with_attribute("lr", torch.tensor(0.1, device="meta")), "lr of group 1 must be .* on meta"),
    "no_velocity_dtype": (with_attribute("velocity_dtype", torch.int32), "velocity_dtype must be a floating"),
    "no_norm": (with_attribute("norm", "adam"), "norm must be"),
}


@pytest.mark.parametrize("name", LATE_ERRORS)
def test_what_fails_in_the_second_group_leaves_the_first(implementation: dict[str, Any], name: str) -> None:
    optimizer = start(implementation | {"norm": "rmsprop"}, (4,), (2,), (3, 2))
    change, message = LATE_ERRORS[name]
    change(optimizer)
    assert_refused(optimizer, optimizer.step, message)


@each_norm
def test_differentiable_refuses_leaves_before_the_norm_takes_their_gradient_in(norm: dict[str, Any]) -> None:
    params = [torch.ones(3), nn.Parameter(torch.ones(2))]
    optimizer = INDIAN(params, differentiable=True, **norm)
    give_gradients(optimizer)
    assert_refused(optimizer, optimizer.step, "a leaf Variable that requires grad")
    assert not optimizer.state


# Another optimizer's state, and its names


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda p: torch.optim.AdamW(p), "Adam or AdamW.*cannot be converted"),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), "SGD.*indian_core.from_momentum_sgd"),
        (lambda p: torch.optim.Adagrad(p), "of another optimizer"),
    ],
    ids=["adamw", "sgd", "adagrad"],
)
@pytest.mark.parametrize("cls", [INDIAN, INNAprop, TrustRegion])
def test_states_of_other_optimizers_are_refused_at_loading(
    cls: type[torch.optim.Optimizer], other: Callable[[Any], torch.optim.Optimizer], message: str
) -> None:
    params = [nn.Parameter(torch.ones(3))]
    saved, optimizer = other(params), cls(params)
    train(saved)
    missing = "accept_ratio|alpha, beta, initial_speed"
    text = f"state_dict must be one of {cls.__name__}, got parameter groups without .*({missing}).*{message}"
    assert_refused(optimizer, lambda: optimizer.load_state_dict(saved.state_dict()), text)
    train(optimizer)


def test_the_keywords_of_adamw_are_answered_with_ones_own() -> None:
    params = [torch.ones(3)]
    for name, value in (("betas", (0.9, 0.99)), ("eps", 1e-8)):
        with pytest.raises(TypeError, match=rf"INNAprop has no argument '{name}'; INNAprop has norm_decay and norm_ep"):
            INNAprop(params, **{name: value})
    with pytest.raises(TypeError, match="INDIAN has weight_decay"):
        INDIAN(params, weight_deacy=0.1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="TrustRegion has radius"):
        TrustRegion(params, lr=0.1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'something'"):
        INNAprop(params, something=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("name", "hint"), [("weight_deacy", "INNAprop has weight_decay"), ("betas", "norm_decay"), ("momentum", "alpha")]
)
def test_names_in_groups_that_look_like_hyperparameters_are_warned_of(name: str, hint: str) -> None:
    with pytest.warns(UserWarning, match=f"INNAprop does not use '{name}' of a parameter group; .*{hint}"):
        optimizer = INNAprop([{"params": [torch.ones(3)], name: 0.5}])
    assert optimizer.param_groups[0][name] == 0.5


@pytest.mark.filterwarnings("error")
def test_names_of_schedulers_and_users_stay_without_a_word() -> None:
    mine = {"initial_lr": 0.1, "lr_scale": 0.5, "name": "backbone", "fan_in": 3, "swa_lr": 0.05}
    optimizer = INDIAN([{"params": [nn.Parameter(torch.ones(3))], **mine}])
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    assert optimizer.param_groups[0].items() >= {**mine, "initial_lr": 0.1}.items()
    TrustRegion([{"params": [nn.Parameter(torch.ones(3))], "name": "backbone"}])


def test_errors_name_the_class_and_no_contents() -> None:
    optimizer = INNAprop([nn.Parameter(torch.ones(3))])
    with pytest.raises(ValueError, match=r"optimizer, got a Tensor of shape \(1000, 3\)$"):
        optimizer.velocity(torch.ones(1000, 3))
    param = parameters(optimizer)[0]
    param.grad = torch.ones(3).to_sparse()
    with pytest.raises(RuntimeError, match="INNAprop does not support sparse gradients"):
        optimizer.step()
    with pytest.raises(TypeError, match=r"got an array of shape \(3,\) of type Tensor"):
        INNAprop([torch.ones(3)], maximize=torch.ones(3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"got a Tensor$"):
        TrustRegion([param]).step(torch.ones(3))  # type: ignore[arg-type]


def test_the_signature_of_innaprop_has_the_flags() -> None:
    own, base = (inspect.signature(cls).parameters for cls in (INNAprop, INDIAN))
    assert own.keys() == base.keys() - {"norm", "initial_speed"}
    assert all(own[name].default == base[name].default for name in list(own)[-7:])


@pytest.mark.parametrize("cls", [INDIAN, INNAprop, DampedSGD, DampedAdamW, TrustRegion])
def test_the_default_device_has_no_part_in_a_step(cls: type[Any], implementation: dict[str, Any]) -> None:
    flags = {} if cls is TrustRegion else implementation
    if cls is DampedSGD:
        flags = {name: flag for name, flag in flags.items() if name != "capturable"}
    params, twins = ([torch.ones(3), torch.full((2, 2), 2.0)] for _ in range(2))
    if cls is TrustRegion:
        params, twins = ([p.requires_grad_() for p in each] for each in (params, twins))
    train(cls(twins, **flags), 3)
    with torch.device("meta"):
        optimizer = cls(params, **flags)
        train(optimizer, 2)
        optimizer.load_state_dict(optimizer.state_dict())
        train(optimizer, 1)
    torch.testing.assert_close(params, twins)
