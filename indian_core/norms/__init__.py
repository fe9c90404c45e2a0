"""The norms that a method may work in: Euclidean, and the ellipsoidal ones of RMSProp and AdaGrad.

A norm ‖x‖ = √(xᵀAx) with a positive diagonal A, estimated from the gradients: A = √v̂ + ε, where v is a running mean of
g² (RMSProp, with its bias taken out) or their sum (AdaGrad). INDIAN in such a norm replaces the gradient by A⁻¹g, the
steepest direction of that norm; with RMSProp's A it is INNAprop. The same ellipsoids are the trust regions of Kohler,
Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods" (2019), whose matrices are A²: with
the root, the first-order step in the ellipsoid is the step of RMSProp and AdaGrad themselves.

Sources: Bolte, Boustany, Pauwels, Purica, "A second-order-like optimizer with adaptive gradient scaling for deep
learning" (2024), for INNAprop; Duchi, Hazan, Singer (2011) for AdaGrad; Tieleman, Hinton (2012) for RMSProp.

- `indian_core.norms.coefficients`: a norm at one step, as four numbers;
- `indian_core.norms.geometry`: the inner products and lengths of a norm;
- `indian_core.norms.rmsprop`, `indian_core.norms.adagrad`, `indian_core.norms.euclidean`: the norms;
- `indian_core.norms.definition`: what a norm has to say of itself, and `indian_core.norms.table`: all of them by name.

Every function works on Python numbers and, elementwise and in their dtype, on the arrays of any framework. What needs
more than operators takes it from ``xp``, the namespace of the arrays: `numpy`, `torch`, `jax.numpy`, `keras.ops`.
"""

from indian_core.norms.coefficients import (
    BareRoot,
    NormCoefficients,
    accumulate,
    bare_root,
    scale,
    with_epsilon_in_root,
)
from indian_core.norms.definition import Norm
from indian_core.norms.geometry import dual_norm, inner_product, norm, preconditioned
from indian_core.norms.table import NORMS, norm_coefficients, resolve_learning_rate

__all__ = [
    "NORMS",
    "BareRoot",
    "Norm",
    "NormCoefficients",
    "accumulate",
    "bare_root",
    "dual_norm",
    "inner_product",
    "norm",
    "norm_coefficients",
    "preconditioned",
    "resolve_learning_rate",
    "scale",
    "with_epsilon_in_root",
]
