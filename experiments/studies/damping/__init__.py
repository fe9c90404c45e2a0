"""What the damping gains over AdamW and SGD at their own hyperparameters: five tasks, in JAX.

A grid of damping is computed at every learning rate and momentum of AdamW or SGD, beside Optax's other optimizers with
as many trials. Then fresh seeds compare the best of each. Run with::

    python -m experiments damping --data DIR
"""

from experiments.studies.damping.report import main

__all__ = ["main"]
