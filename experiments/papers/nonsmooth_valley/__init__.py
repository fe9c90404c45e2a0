"""The paper's Figure 1: down a V-shaped valley, with three pairs of α and β; oscillations along and across are counted.

The loss is 100(θ₂ − |θ₁|)² + |1 − θ₁|, which nothing but (1, 1) is critical for. The start is (−1, 1.5), the step size
constant, 1e-4. The paper does not say with which ψ it starts. At rest, the run is the one that it describes; with the
ψ₀ of its experiments on networks it is another. Both are shown. The framework computes gradients and steps in float64;
a loop in NumPy runs beside it. Nothing is random and there are no data, hence no ``--seeds`` and no ``--data``.
"""

from experiments.papers.nonsmooth_valley.report import main, redraw

__all__ = ["main", "redraw"]
