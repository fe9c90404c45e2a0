"""The ellipsoidal trust region: a second-order method with the norms of RMSProp and AdaGrad.

At parameters w, with gradient g, curvature B and the positive diagonal A of a norm (`indian_core.norms`), a step is::

    s      ≈ argmin  gᵀs + ½ sᵀBs   subject to   √(sᵀAs) <= Δ
    ratio  = (L(w) − L(w + s)) / −(gᵀs + ½ sᵀBs)
    w      ← w + s  if the ratio is large enough

and the radius Δ follows the ratio. Source: Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized
Newton methods" (2019).

- `indian_core.trust_region.settings`: names, defaults, ranges and error messages;
- `indian_core.trust_region.curvatures`: the curvatures by name, and what each needs;
- `indian_core.trust_region.problem`: the subproblem of a step, and its solution;
- `indian_core.trust_region.subproblem`: the solvers by name;
- `indian_core.trust_region.steihaug`: the step by preconditioned conjugate gradients;
- `indian_core.trust_region.lanczos`: the step by Lanczos, which finds negative curvature;
- `indian_core.trust_region.first_order`: the step without curvature;
- `indian_core.trust_region.space`: what a solver asks of a framework;
- `indian_core.trust_region.numpy_space`: NumPy's answer;
- `indian_core.trust_region.model`: the model's decrease, the Cauchy point, the eigenpoint;
- `indian_core.trust_region.tridiagonal`: the small problem of Lanczos, solved exactly;
- `indian_core.trust_region.probe`: a vector that knows nothing of the problem;
- `indian_core.trust_region.residual`, `indian_core.trust_region.rounding`: where a solver stops, and what a loss is
  known to;
- `indian_core.trust_region.radius`: acceptance of a step, and the next radius;
- `indian_core.trust_region.report`: what a step reports;
- `indian_core.trust_region.returned_loss`: the loss in what the user's function returned;
- `indian_core.trust_region.plain_numbers`: a namespace for scalars that are Python numbers;
- `indian_core.trust_region.reference`: the plain NumPy loop that the adapters are tested against.

The loops of the solvers stand here, once; an adapter gives the space of its vectors. Scalars may be Python or NumPy
numbers, or arrays without dimensions of the namespace ``xp``: `numpy`, `torch`, `jax.numpy`, `keras.ops`, or
`plain_numbers` for Python numbers. No function branches on the value of a scalar that may be traced, so that a program
can be compiled from them. ``eps`` is the distance from 1 to the next number in a dtype.
"""

from indian_core.trust_region.report import Report, Termination
from indian_core.trust_region.settings import DEFAULTS, Settings, check

__all__ = ["DEFAULTS", "Report", "Settings", "Termination", "check"]
