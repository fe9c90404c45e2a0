"""A check whose result is remembered for tensors of the same layout, and for no others."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from indian_torch import INDIAN
from indian_torch._tensors import guards
from indian_torch._tensors.guards import LayoutMemo, guards_work

needs_guards = pytest.mark.skipif(not guards_work(), reason="this PyTorch has no guards that tell layouts apart")


def tensors() -> list[Tensor]:
    return [nn.Parameter(torch.zeros(2, 3)), torch.zeros(2, 3), torch.zeros(())]


@needs_guards
def test_the_result_holds_for_other_tensors_of_the_same_layout() -> None:
    memo: LayoutMemo[str] = LayoutMemo()
    assert memo.get(tensors()) is None
    memo.keep(tensors(), "checked")
    assert memo.get(tensors()) == "checked"


OTHERS: dict[str, Callable[[], Tensor | None]] = {
    "shape": lambda: torch.zeros(3, 2),
    "number of dimensions": lambda: torch.zeros(6),
    "strides": lambda: torch.zeros(3, 2).t(),
    "dtype": lambda: torch.zeros(2, 3, dtype=torch.bfloat16),
    "device": lambda: torch.zeros(2, 3, device="meta"),
    "sparse": lambda: torch.zeros(2, 3).to_sparse(),
    "class": lambda: nn.Parameter(torch.zeros(2, 3)),
    "none": lambda: None,
}


@needs_guards
@pytest.mark.parametrize("difference", OTHERS)
def test_it_does_not_hold_for_another_layout(difference: str) -> None:
    memo: LayoutMemo[str] = LayoutMemo()
    memo.keep(tensors(), "checked")
    changed = [tensors()[0], OTHERS[difference](), tensors()[2]]
    assert memo.get(changed) is None
    assert memo.get(tensors()[:2]) is None
    assert memo.get([*tensors(), torch.zeros(())]) is None


@needs_guards
def test_it_does_not_hold_after_a_tensor_has_been_given_other_data() -> None:
    memo: LayoutMemo[str] = LayoutMemo()
    own = tensors()
    memo.keep(own, "checked")
    own[0].data = torch.zeros(3, 2)
    assert memo.get(own) is None
    own[0].data = torch.zeros(2, 3)
    own[1].resize_(1, 6)
    assert memo.get(own) is None


@needs_guards
def test_layouts_that_change_at_every_step_are_kept_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = [], guards._guards_of
    monkeypatch.setattr(guards, "_guards_of", lambda tensors: made.append(1) or make(tensors))
    memo: LayoutMemo[str] = LayoutMemo()
    for size in range(100):
        assert memo.get([torch.zeros(size)]) is None
        memo.keep([torch.zeros(size)], "checked")
    assert len(made) < 20


@needs_guards
def test_a_change_now_and_then_is_kept() -> None:
    memo: LayoutMemo[int] = LayoutMemo()
    for size in range(100):
        memo.keep([torch.zeros(size)], size)
        for _ in range(2):
            assert memo.get([torch.zeros(size)]) == size


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_a_copy_of_the_optimizer_remembers_nothing(copied: Callable[[INDIAN], INDIAN]) -> None:
    optimizer = INDIAN([nn.Parameter(torch.ones(2, 3))])
    for of in (optimizer, optimizer, copied(optimizer)):
        of.param_groups[0]["params"][0].grad = torch.ones(2, 3)
        of.step()
        of.step()


def test_without_guards_every_step_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "guards_work", lambda: False)
    param = nn.Parameter(torch.ones(2, 3))
    optimizer = INDIAN([param], fused=True)
    for _ in range(3):
        param.grad = torch.ones(2, 3)
        optimizer.step()
    param.data = torch.ones(1, 3)
    with pytest.raises(ValueError, match="must be like the parameter"):
        optimizer.step()


@needs_guards
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_defaults_of_the_user_do_not_decide_whether_guards_work(device: str, dtype: torch.dtype) -> None:
    guards_work.cache_clear()
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            assert guards_work()
    finally:
        torch.set_default_dtype(before)
