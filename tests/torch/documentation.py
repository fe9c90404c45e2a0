"""Code of the PyTorch page that needs other libraries or several processes; the rest is run with the other pages."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from indian_torch import INDIAN, PowerDecayLR

PAGE = Path(__file__).parents[2] / "docs" / "quickstart" / "pytorch.md"


def run_block(containing: str, **names: Any) -> dict[str, Any]:
    """Run the one block that contains a text, with some names defined; returns all names defined afterwards."""
    blocks = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if containing in block)
    exec(block, names)
    return names


def names_of_the_page() -> dict[str, Any]:
    """Those that its first blocks define."""
    torch.manual_seed(0)
    x = torch.randn(256, 2)
    return {
        "torch": torch,
        "nn": nn,
        "INDIAN": INDIAN,
        "PowerDecayLR": PowerDecayLR,
        "x": x,
        "y": (x[:, 0] * x[:, 1] > 0).long(),
        "model": nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2)),
    }
