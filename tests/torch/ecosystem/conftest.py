"""The libraries around PyTorch look for nothing on the network."""

import os

os.environ.update(
    {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_OFFLINE": "1", "DO_NOT_TRACK": "1"}
)
