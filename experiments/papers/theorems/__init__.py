"""The paper's theorems as numbers: energies along the equation and the steps, rates, critical points, constant steps.

Five parts, each with a figure and a table: the rates at which the energies fall (Lemma 9), convergence as 1/t (Theorem
14), the energy along the discrete steps, convergence of mini-batch INDIAN to D-critical points (Theorem 3), and what
happens when Assumption 1 is broken. NumPy and SciPy compute all but the derivatives at a kink, which are those of the
three frameworks; so there is no ``--framework``. Starts and batches are drawn from fixed seeds, 50 and more at a time.
"""

from experiments.papers.theorems.report import main

__all__ = ["main"]
