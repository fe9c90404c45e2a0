"""The mathematics of INDIAN (INNA), the inertial Newton optimizer, as pure functions that need no framework.

- `indian_core.dynamics`: one step, in phase form and in velocity form;
- `indian_core.damping`: one step in damping form, which contains SGD with momentum and AdamW under any schedule;
- `indian_core.schedules`: step sizes;
- `indian_core.hyperparameters`: ranges, defaults and error messages;
- `indian_core.norms`: the norms that a step may be taken in;
- `indian_core.flow`: the differential equation;
- `indian_core.energy`: its energies, and up to which step size they fall;
- `indian_core.stability`: stable step sizes by curvature;
- `indian_core.trust_region`: the ellipsoidal trust region;
- `indian_core.momentum_sgd`: SGD with momentum as a member of the family;
- `indian_core.adamw`: a start from AdamW's hyperparameters;
- `indian_core.scaled_velocity`: a step by way of a multiple of the velocity, for primitives that fuse it;
- `indian_core.adam_kernel`: a step in the order of Adam as one of Adam itself, likewise;
- `indian_core.proximal`: a move and a decay at once, for primitives that fuse them;
- `indian_core.reference`: the plain NumPy loops that the adapters are tested against.
"""

from indian_core.adamw import from_adamw
from indian_core.dynamics import (
    StepCoefficients,
    initial_phase,
    initial_velocity,
    phase_from_velocity,
    phase_step,
    post_form,
    pre_form,
    velocity_from_phase,
    velocity_step,
    weight_decay_step,
)
from indian_core.hyperparameters import DEFAULTS, INNAPROP_DEFAULTS, check
from indian_core.momentum_sgd import from_momentum_sgd, to_momentum_sgd
from indian_core.schedules import Constant, LogarithmicDecay, PowerDecay, assumption_1

__all__ = [
    "DEFAULTS",
    "INNAPROP_DEFAULTS",
    "Constant",
    "LogarithmicDecay",
    "PowerDecay",
    "StepCoefficients",
    "assumption_1",
    "check",
    "from_adamw",
    "from_momentum_sgd",
    "initial_phase",
    "initial_velocity",
    "phase_from_velocity",
    "phase_step",
    "post_form",
    "pre_form",
    "to_momentum_sgd",
    "velocity_from_phase",
    "velocity_step",
    "weight_decay_step",
]
