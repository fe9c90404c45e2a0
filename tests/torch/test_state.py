"""A state that one can look at: reading it changes nothing, and what was read stays what it is."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indian_torch import INDIAN, INNAprop, TrustRegion
from tests.torch.implementations import IMPLEMENTATIONS, NORMS, each_norm

USUAL: dict[str, Any] = {"lr": 0.05, "alpha": 0.5, "beta": 0.2, "weight_decay": 0.1}

each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")


def start(flags: dict[str, Any], dtype: torch.dtype = torch.float32) -> INDIAN:
    params = [torch.linspace(-1, 1, 6).reshape(2, 3).to(dtype), torch.linspace(0, 1, 7).to(dtype)]
    return INDIAN(params, **USUAL | flags)


def train(optimizer: INDIAN, ks: range) -> None:
    for k in ks:
        for param in optimizer.param_groups[0]["params"]:
            numbers = torch.arange(param.numel()).reshape(param.shape)
            param.grad = torch.cos(numbers + k).to(param.dtype)
        # A step size that changes, so that a multiple of the velocity changes too.
        optimizer.param_groups[0]["lr"] = 0.05 / (1 + k) ** 0.5
        optimizer.step()


def detached(optimizer: INDIAN) -> Any:
    """Copies of parameters and state."""
    states = [tensors_of(s) for s in optimizer.state.values()]
    return [p.detach().clone() for p in optimizer.param_groups[0]["params"]], states


def tensors_of(state: dict[str, Any]) -> dict[str, Tensor | None]:
    return {key: None if value is None else torch.as_tensor(value).detach().clone() for key, value in state.items()}


def assert_equal(actual: Any, expected: Any) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)


READINGS: dict[str, Callable[[INDIAN], Any]] = {
    "state": lambda optimizer: repr(optimizer.state) + str([dict(s) for s in optimizer.state.values()]),
    "state_dict": lambda optimizer: optimizer.state_dict(),
    "velocity": lambda optimizer: [optimizer.velocity(p) for p in optimizer.state],
    "phase": lambda optimizer: [optimizer.phase(p) for p in optimizer.state],
    "deepcopy": copy.deepcopy,
}


@each_norm
@each_dtype
@pytest.mark.parametrize("reading", READINGS)
def test_reading_changes_neither_state_nor_later_steps(
    implementation: dict[str, Any], norm: dict[str, Any], dtype: torch.dtype, reading: str
) -> None:
    """Bit for bit."""
    if reading == "deepcopy" and implementation.get("differentiable"):
        pytest.skip("PyTorch copies no tensors that are not leaves of a graph")
    read, unread = (start(implementation | norm, dtype) for _ in range(2))
    for k in range(5):
        train(read, range(k, k + 1))
        train(unread, range(k, k + 1))
        before = detached(read)
        states = dict(read.state)
        READINGS[reading](read)
        assert all(read.state[param] is state for param, state in states.items())
        assert_equal(detached(read), before)
        assert_equal(detached(read), detached(unread))


@each_norm
def test_saved_state_is_a_snapshot(implementation: dict[str, Any], norm: dict[str, Any]) -> None:
    """Later steps change nothing in it, and changes in it nothing in later steps."""
    optimizer, other = (start(implementation | norm | {"lr": torch.tensor(0.05)}) for _ in range(2))
    for k in range(1, 4):
        train(optimizer, range(k))
        train(other, range(k))
        optimizer.param_groups[0]["lr"] = torch.tensor(0.05)
        saved = optimizer.state_dict()
        kept = copy.deepcopy(saved)
        optimizer.param_groups[0]["lr"].fill_(0.025)
        train(optimizer, range(3))
        train(other, range(3))
        assert_equal(saved["state"], kept["state"])
        assert saved["param_groups"] == kept["param_groups"]
        for state in saved["state"].values():
            for tensor in state.values():
                tensor.fill_(torch.nan)
        assert_equal(detached(optimizer), detached(other))


@each_norm
def test_saved_state_has_one_form(implementation: dict[str, Any], norm: dict[str, Any]) -> None:
    optimizer = start(implementation | norm)
    expected = {"step", "velocity"} | ({"accumulator"} if norm["norm"] else set())
    for k in range(3):
        train(optimizer, range(k, k + 1))
        for state in optimizer.state_dict()["state"].values():
            assert state.keys() == expected
            assert all(isinstance(value, Tensor) for value in state.values())
            assert state["step"] == k + 1


@each_norm
def test_loaded_state_shares_no_tensor(implementation: dict[str, Any], norm: dict[str, Any]) -> None:
    """Two optimizers that load one dictionary go their own ways, and the dictionary stays."""
    saved = start(implementation | norm)
    train(saved, range(3))
    state_dict = saved.state_dict()
    kept = copy.deepcopy(state_dict)
    for _ in range(2):
        loaded = start(implementation | norm)
        loaded.load_state_dict(state_dict)
        train(loaded, range(3, 6))
        assert_equal(state_dict["state"], kept["state"])


@each_norm
def test_kept_dictionary_is_live(implementation: dict[str, Any], norm: dict[str, Any]) -> None:
    """While the flags stay as they are it follows the training, with the same keys."""
    optimizer = start(implementation | norm)
    train(optimizer, range(1))
    kept = dict(optimizer.state)
    keys = [state.keys() for state in map(dict, kept.values())]
    train(optimizer, range(1, 5))
    optimizer.state_dict()
    assert [state.keys() for state in kept.values()] == keys
    for param, state in kept.items():
        assert optimizer.state[param] is state
        assert isinstance(state["step"], Tensor)
        assert state["step"] == 5
        velocity = state["scaled_velocity"] / state["multiple"] if "multiple" in state else state["velocity"]
        assert_equal(velocity.detach(), optimizer.velocity(param))


FORMS = ("for_loop", "fused", "capturable")


@pytest.mark.parametrize("after", FORMS)
@pytest.mark.parametrize("before", FORMS)
def test_kept_dictionary_never_turns_into_something_else(before: str, after: str) -> None:
    """If a flag asks for another form, the optimizer goes on with a new dictionary of new tensors."""
    flags = [{"capturable": False} | IMPLEMENTATIONS[name] | NORMS["rmsprop"] for name in (before, after)]
    optimizer, steady = (start(flags[0]) for _ in range(2))
    train(optimizer, range(3))
    train(steady, range(3))
    kept, values = dict(optimizer.state), detached(optimizer)[1]
    optimizer.param_groups[0].update(flags[1])
    train(optimizer, range(3, 6))
    train(steady, range(3, 6))
    for state, value in zip(kept.values(), values, strict=True):
        assert state.keys() == value.keys()
    if ("fused" in (before, after)) and before != after:
        assert_equal([tensors_of(state) for state in kept.values()], values)
        assert all(optimizer.state[param].keys() != state.keys() for param, state in kept.items())
    torch.testing.assert_close(optimizer.state_dict()["state"], steady.state_dict()["state"], rtol=1e-5, atol=1e-6)


def test_new_dtype_of_the_velocity_takes_a_new_dictionary() -> None:
    optimizer = start({})
    train(optimizer, range(2))
    kept, values = dict(optimizer.state), detached(optimizer)[1]
    optimizer.param_groups[0]["velocity_dtype"] = torch.bfloat16
    train(optimizer, range(2, 3))
    assert_equal(list(kept.values()), values)
    assert {state["velocity"].dtype for state in optimizer.state.values()} == {torch.bfloat16}


def test_error_in_one_group_leaves_the_others_as_they_were() -> None:
    """All tensors are checked before the first is updated."""
    first, second = torch.ones(3), torch.ones(3)
    optimizer = INDIAN([{"params": [first]}, {"params": [second]}])
    first.grad = second.grad = torch.ones(3)
    optimizer.step()
    before = copy.deepcopy([first, second, optimizer.state_dict()["state"]])
    optimizer.param_groups[1]["norm"] = "adagrad"
    with pytest.raises(ValueError, match="norm must be None where earlier steps had no norm, got 'adagrad'"):
        optimizer.step()
    assert_equal([first, second, optimizer.state_dict()["state"]], before)


@pytest.mark.parametrize("cls", [INDIAN, INNAprop, TrustRegion])
@pytest.mark.parametrize("copied", [False, True])
def test_a_state_can_be_loaded_again_and_by_a_copy(cls: type[Any], copied: bool) -> None:
    """PyTorch adds a flag to the defaults of an optimizer as it loads or is copied."""
    optimizer = cls([nn.Parameter(torch.ones(3))])
    if copied:
        optimizer = copy.deepcopy(optimizer)
    for _ in range(3):
        optimizer.load_state_dict(optimizer.state_dict())
