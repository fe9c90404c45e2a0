"""A step is taken as a whole: what a write would fail for is refused before the first one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indian_torch import INDIAN, DampedAdamW, DampedSGD, INNAprop, TrustRegion
from tests.torch.implementations import NORMS, each_norm
from tests.torch.refusals import assert_refused, contents, give_gradients, parameters, start, train

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")

SHAPES = ((4,), (2,), (3, 2))
RMSPROP = NORMS["rmsprop"]


def inference(tensor: Tensor) -> Tensor:
    """A tensor of inference mode, which nothing may change outside of it."""
    with torch.inference_mode():
        return tensor.clone()


def expanded(tensor: Tensor) -> Tensor:
    """A tensor whose elements lie at one address."""
    return torch.ones((), dtype=tensor.dtype).expand(tensor.shape)


UNWRITABLE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "expanded": (expanded, "whose elements share memory"),
    "inference": (inference, "created in inference mode"),
}


@pytest.fixture(params=UNWRITABLE)
def unwritable(request: pytest.FixtureRequest) -> tuple[Callable[[Tensor], Tensor], str]:
    return UNWRITABLE[request.param]


@each_norm
@pytest.mark.parametrize("is_started", [False, True])
def test_a_parameter_that_cannot_be_written_to(
    implementation: dict[str, Any], norm: dict[str, Any], unwritable: Any, is_started: bool
) -> None:
    """As by torch.optim.SGD, but before the first parameter has moved."""
    make, message = unwritable
    params = [torch.ones(4), torch.ones(2), make(torch.ones(3, 2))]
    optimizer = INDIAN([{"params": params[:1]}, {"params": params[1:]}], **implementation, **norm)
    if is_started:
        twin = INDIAN([{"params": [p.clone()]} for p in params[:1]] + [{"params": [p.clone() for p in params[1:]]}])
        twin.param_groups[1].update(norm)
        twin.param_groups[0].update(norm)
        train(twin)
        for param, of_twin in zip(params, parameters(twin), strict=True):
            optimizer.state[param] = twin.state[of_twin]
    give_gradients(optimizer)
    assert_refused(optimizer, optimizer.step, f"parameter 1 of group 1 .*{message}")


@pytest.mark.parametrize("name", ["velocity", "accumulator"])
def test_a_state_that_cannot_be_written_to(implementation: dict[str, Any], unwritable: Any, name: str) -> None:
    optimizer = start(implementation | RMSPROP, *SHAPES)
    state = optimizer.state[parameters(optimizer)[2]]
    name = "scaled_velocity" if name == "velocity" and "multiple" in state else name
    make, message = unwritable
    state[name] = make(state[name])
    assert_refused(optimizer, optimizer.step, f"parameter 1 of group 1 .*{name} {message}")


def test_steps_of_inference_mode_can_be_followed_by_others(implementation: dict[str, Any]) -> None:
    if implementation.get("differentiable"):
        pytest.skip("in inference mode there is nothing to differentiate")
    optimizer, twin = (start(implementation | {"norm": "rmsprop"}, *SHAPES) for _ in range(2))
    new = torch.ones(5)
    optimizer.add_param_group({"params": [new]})
    twin.add_param_group({"params": [new.clone()]})
    give_gradients(optimizer)
    with torch.inference_mode():
        optimizer.step()
        optimizer.load_state_dict(optimizer.state_dict())
    give_gradients(twin)
    twin.step()
    for each in (optimizer, twin):
        train(each)
    torch.testing.assert_close(parameters(optimizer), parameters(twin))


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (torch.ones(2), r"grad_scale must be .* got one of shape \(2,\)"),
        (torch.tensor(2.0, device="meta"), "grad_scale must be .* on meta"),
        (2.0, "grad_scale must be a tensor"),
    ],
    ids=["two", "meta", "number"],
)
def test_a_scale_of_gradients_that_is_none(implementation: dict[str, Any], scale: Any, message: str) -> None:
    optimizer = start(implementation | RMSPROP, *SHAPES)
    optimizer.add_param_group({"params": [torch.ones(2)]})
    give_gradients(optimizer)
    optimizer.found_inf, optimizer.grad_scale = torch.tensor(0.0), scale  # type: ignore[attr-defined]
    assert_refused(optimizer, optimizer.step, message)


def test_gradients_that_cannot_be_divided_by_their_scale(implementation: dict[str, Any], unwritable: Any) -> None:
    make, message = unwritable
    optimizer, twin = (start(implementation | RMSPROP, *SHAPES) for _ in range(2))
    param = parameters(optimizer)[2]
    param.grad = make(torch.ones(3, 2))
    optimizer.grad_scale = torch.tensor(1.0)  # type: ignore[attr-defined]
    assert_refused(optimizer, optimizer.step, f"gradients must .* where grad_scale is set, got one {message}")
    # Without a scale nothing writes to them.
    del optimizer.grad_scale
    parameters(twin)[2].grad = torch.ones(3, 2)
    for each in (optimizer, twin):
        each.step()
    torch.testing.assert_close(parameters(optimizer), parameters(twin))


@pytest.mark.parametrize(("name", "value"), [("lr", "much"), ("alpha", None), ("beta", 1j), ("norm_decay", "most")])
def test_a_number_that_is_none(implementation: dict[str, Any], name: str, value: Any) -> None:
    optimizer = start(implementation | RMSPROP, *SHAPES)
    optimizer.param_groups[1][name] = value
    before = contents(optimizer)
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
        optimizer.step()
    torch.testing.assert_close(contents(optimizer)[:2], before[:2], rtol=0, atol=0)


class MemoryRunsOut:
    """Lets the third call of a function that makes a tensor fail, as a full device does."""

    def __init__(self, make: Callable[..., Tensor]) -> None:
        self.make, self.calls = make, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        self.calls += 1
        if self.calls == 3:
            raise torch.OutOfMemoryError("no memory left")
        return self.make(*args, **kwargs)


@pytest.mark.parametrize("is_started", [False, True])
def test_want_of_memory_for_a_state(
    implementation: dict[str, Any], is_started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The states of one group alone would be a change: the next step would take them for those of a longer run."""
    optimizer = INDIAN([{"params": [torch.ones(shape)]} for shape in SHAPES], **implementation, **RMSPROP)
    give_gradients(optimizer)
    if is_started:
        optimizer.step()
        give_gradients(optimizer)
        for group in optimizer.param_groups:
            group["velocity_dtype"] = torch.float64
    owner, name = (Tensor, "to") if is_started else (torch, "zeros_like")
    patched = MemoryRunsOut(getattr(owner, name))
    monkeypatch.setattr(owner, name, lambda *args, **kwargs: patched(*args, **kwargs))
    assert_refused(optimizer, optimizer.step, "no memory left")
    monkeypatch.undo()
    optimizer.step()


@pytest.mark.parametrize("norm", ["rmsprop", "adagrad"])
def test_want_of_memory_for_the_accumulators_of_a_trust_region(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    params = [nn.Parameter(torch.ones(shape)) for shape in SHAPES]
    optimizer = TrustRegion(params, norm=norm)
    patched = MemoryRunsOut(torch.empty_like)
    monkeypatch.setattr(torch, "empty_like", patched)
    assert_refused(optimizer, lambda: train(optimizer), "no memory left")
    assert not optimizer.state
    assert optimizer.report is None


def test_a_trust_region_looks_at_what_it_writes_to(unwritable: Any) -> None:
    make, message = unwritable
    params = [nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(3, 2))]
    optimizer = TrustRegion(params, radius=0.5)
    train(optimizer)
    state, own = optimizer.state[params[1]], optimizer.state[params[1]]["accumulator"]
    state["accumulator"] = make(own)
    assert_refused(optimizer, lambda: train(optimizer), f"parameter 1 of group 0 .*accumulator {message}")
    state["accumulator"] = own
    train(optimizer)
    params[1].data = expanded(params[1])
    assert_refused(optimizer, lambda: train(optimizer), "parameter 1 of group 0 .*tensor whose elements share memory")


def leaf_view() -> list[Tensor]:
    return [torch.ones(2, 3, requires_grad=True)[0]]


def parts() -> list[Tensor]:
    return list((torch.ones(2, 3, requires_grad=True) * 1).unbind())


def view_without_a_graph() -> list[Tensor]:
    whole = torch.ones(2, 3, requires_grad=True) * 1
    with torch.no_grad():
        return [whole[0]]


@each_norm
@pytest.mark.parametrize("make", [leaf_view, parts, view_without_a_graph])
def test_differentiable_refuses_views_that_autograd_protects(
    norm: dict[str, Any], make: Callable[[], list[Tensor]]
) -> None:
    """As by torch.optim.SGD(differentiable=True), but before anything has changed."""
    protected = make()
    for cls in (torch.optim.SGD, INDIAN):
        optimizer: Any = cls([torch.ones(3)], differentiable=True, **(norm if cls is INDIAN else {}))
        optimizer.add_param_group({"params": protected})
        give_gradients(optimizer)
        if cls is torch.optim.SGD:
            with pytest.raises(RuntimeError, match=r"in-place|inplace"):
                optimizer.step()
        else:
            assert_refused(optimizer, optimizer.step, "in-place|inplace")


@pytest.mark.parametrize("cls", [INDIAN, INNAprop, DampedSGD, DampedAdamW, TrustRegion])
def test_hooks_that_raise(cls: type[Any]) -> None:
    optimizer = cls([nn.Parameter(torch.ones(shape)) for shape in SHAPES])
    train(optimizer)
    saved = optimizer.state_dict()
    train(optimizer)

    def fail(*_: Any) -> None:
        raise ValueError("hook of the user")

    for register, call in (
        (optimizer.register_step_pre_hook, lambda: train(optimizer)),
        (optimizer.register_state_dict_pre_hook, optimizer.state_dict),
        (optimizer.register_state_dict_post_hook, optimizer.state_dict),
        (optimizer.register_load_state_dict_pre_hook, lambda: optimizer.load_state_dict(saved)),
        (optimizer.register_load_state_dict_post_hook, lambda: optimizer.load_state_dict(saved)),
    ):
        hook = register(fail)
        give_gradients(optimizer)
        assert_refused(optimizer, call, "hook of the user")
        hook.remove()
    train(optimizer)
    # Nothing is left of the calls that failed.
    assert not optimizer._optimizer_load_state_dict_pre_hooks
    assert not optimizer._optimizer_load_state_dict_post_hooks
    assert not optimizer._optimizer_state_dict_post_hooks


@pytest.mark.parametrize("cls", [INDIAN, INNAprop, DampedSGD, DampedAdamW, TrustRegion])
def test_want_of_memory_for_a_loaded_state(cls: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    optimizer = cls([nn.Parameter(torch.ones(shape)) for shape in SHAPES])
    train(optimizer)
    saved = optimizer.state_dict()
    train(optimizer)
    monkeypatch.setattr(optimizer, "_loaded", MemoryRunsOut(optimizer._loaded))
    assert_refused(optimizer, lambda: optimizer.load_state_dict(saved), "no memory left")
