"""Bad input is refused by name, value and range, before anything changes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from indian_torch import INDIAN

_NON_NEGATIVE, _POSITIVE = "a finite number >= 0", "a finite number > 0"
_FLAG, _OPTIONAL_FLAG = "True or False", "True, False or None"

RANGES = {
    "lr": _NON_NEGATIVE,
    "alpha": _NON_NEGATIVE,
    "beta": _POSITIVE,
    "initial_speed": "a finite number, 'auto' or None",
    "weight_decay": _NON_NEGATIVE,
    "norm_decay": "a number in [0, 1)",
    "norm_epsilon": _NON_NEGATIVE,
}

BAD: list[tuple[str, Any, type[Exception], str]] = []
for _name, _allowed in RANGES.items():
    BAD += [(_name, v, ValueError, f"{_allowed}, got {v!r}") for v in (math.nan, math.inf, -math.inf)]
    BAD += [
        (_name, v, TypeError, f"{_allowed}, got {v!r} of type {type(v).__name__}") for v in ("0.1", [0.1], True, 1j, {})
    ]
    BAD += [
        (_name, torch.tensor(math.nan), ValueError, f"{_allowed}, got nan"),
        (_name, torch.tensor([0.1, 0.2]), ValueError, f"{_allowed}, got an array of shape (2,)"),
        (_name, torch.tensor([]), ValueError, f"{_allowed}, got an array of shape (0,)"),
        (_name, np.ones((2, 2)), ValueError, f"{_allowed}, got an array of shape (2, 2)"),
        (_name, torch.tensor(True), TypeError, f"{_allowed}, got True of type bool"),
        (_name, torch.tensor(1j), TypeError, f"{_allowed}, got 1j of type complex"),
    ]
    if _name not in ("initial_speed", "lr"):
        BAD += [(_name, None, TypeError, f"{_allowed}, got None of type NoneType")]
    if _name != "initial_speed":
        BAD += [(_name, v, ValueError, f"{_allowed}, got {v!r}") for v in (-1, -0.5)]
        BAD += [(_name, torch.tensor([-1.0]), ValueError, f"{_allowed}, got -1.0")]
BAD += [("beta", v, ValueError, f"{_POSITIVE}, got {v!r}") for v in (0, 0.0, -0.0)]
for _name in ("maximize", "differentiable", "capturable"):
    BAD += [(_name, v, TypeError, f"{_FLAG}, got {v!r} of type {type(v).__name__}") for v in (None, 1, "yes")]
for _name in ("foreach", "fused"):
    BAD += [(_name, v, TypeError, f"{_OPTIONAL_FLAG}, got {v!r} of type {type(v).__name__}") for v in (0, "no")]
BAD += [
    (name, v, TypeError, f"a floating torch.dtype of 16 bits or more, or None, got {v!r}")
    for name in ("velocity_dtype", "norm_dtype")
    for v in (torch.int32, torch.complex64, torch.float8_e5m2, "float32", np.float32)
]
_NORM = "'rmsprop', 'adagrad' or None"
BAD += [("norm", v, TypeError, f"{_NORM}, got {v!r} of type {type(v).__name__}") for v in (2, True)]
BAD += [("norm", torch.ones(1), TypeError, f"{_NORM}, got an array of shape (1,) of type Tensor")]
BAD += [("norm", v, ValueError, f"{_NORM}, got {v!r}") for v in ("adam", "", "RMSProp")]
BAD += [("norm_decay", 1.0, ValueError, "a number in [0, 1), got 1.0")]

bad_arguments = pytest.mark.parametrize(
    ("name", "value", "error", "message"), BAD, ids=[f"{name}={value!r}" for name, value, *_ in BAD]
)


def assert_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value) == message


@bad_arguments
def test_in_the_constructor(name: str, value: Any, error: type[Exception], message: str) -> None:
    assert_refused(lambda: INDIAN([torch.ones(1)], **{name: value}), error, f"{name} must be {message}")


@bad_arguments
def test_in_a_parameter_group(name: str, value: Any, error: type[Exception], message: str) -> None:
    groups = [{"params": [torch.ones(1)]}, {"params": [torch.ones(1)], name: value}]
    assert_refused(lambda: INDIAN(groups), error, f"{name} must be {message}")


@bad_arguments
def test_in_add_param_group(name: str, value: Any, error: type[Exception], message: str) -> None:
    optimizer = INDIAN([torch.ones(1)])
    before = [dict(group) for group in optimizer.param_groups]
    group = {"params": [torch.ones(1)], name: value}
    assert_refused(lambda: optimizer.add_param_group(group), error, f"{name} must be {message}")
    assert optimizer.param_groups == before
    assert group.keys() == {"params", name}


@pytest.mark.parametrize(
    ("flag", "other"), [("foreach", "differentiable"), ("fused", "differentiable"), ("fused", "foreach")]
)
def test_flags_that_exclude_each_other_are_refused_at_construction(flag: str, other: str) -> None:
    message = f"{flag} must be False or None where {other} is True, got True"
    assert_refused(lambda: INDIAN([torch.ones(1)], **{flag: True, other: True}), RuntimeError, message)
    # Flags from the defaults and from the group exclude each other too.
    for default, own in ({other: True}, {flag: True}), ({flag: True}, {other: True}):
        optimizer = INDIAN([torch.ones(1)], **default)
        group = {"params": [torch.ones(1)], **own}
        assert_refused(lambda o=optimizer, g=group: o.add_param_group(g), RuntimeError, message)
        assert len(optimizer.param_groups) == 1
    INDIAN([torch.ones(1)], **{flag: False, other: True})


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64])
def test_fused_is_refused_for_parameters_that_are_not_floating(dtype: torch.dtype) -> None:
    message = "fused must be False or None where a parameter is not of a floating dtype, got True"
    assert_refused(lambda: INDIAN([torch.ones(1, dtype=dtype)], fused=True), RuntimeError, message)
    optimizer = INDIAN([torch.ones(1)], fused=True)
    group = {"params": [torch.ones(1), torch.ones(1, dtype=dtype)]}
    assert_refused(lambda: optimizer.add_param_group(group), RuntimeError, message)
    assert len(optimizer.param_groups) == 1


def test_hyperparameters_beyond_alpha_and_beta_go_by_name() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        INDIAN([torch.ones(1)], 0.1, 0.5, 0.1, 1.0)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "optimizer got an empty parameter list"),
        (torch.ones(1), TypeError, "params argument given to the optimizer should be an iterable"),
        ([1.0], TypeError, "optimizer can only optimize Tensors"),
        ([torch.ones(1, requires_grad=True) * 2], ValueError, "can't optimize a non-leaf Tensor"),
        ([{"lr": 0.1}], KeyError, "params"),
        ([{"params": {torch.ones(1)}}], TypeError, "ordered collections"),
    ],
    ids=["none", "tensor", "no_tensor", "not_a_leaf", "group_without_params", "set"],
)
def test_bad_parameters_are_refused_as_by_every_optimizer(params: Any, error: type[Exception], message: str) -> None:
    for optimizer in (INDIAN, torch.optim.SGD):
        with pytest.raises(error, match=message):
            optimizer(params)


@pytest.mark.parametrize("group", [None, [torch.ones(1)], "weights"], ids=["none", "list", "str"])
def test_parameter_group_must_be_a_dict(group: Any) -> None:
    optimizer = INDIAN([torch.ones(1)])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optimizer.add_param_group(group)
    assert len(optimizer.param_groups) == 1


def test_parameter_in_two_groups_is_refused() -> None:
    param = torch.ones(1)
    optimizer = INDIAN([param])
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        optimizer.add_param_group({"params": [param]})
    assert len(optimizer.param_groups) == 1
