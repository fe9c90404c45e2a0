"""The map of the family: INDIAN over Newton damping and momentum on two tasks, with SGD's lines in it, against Adam.

Heavy ball and Nesterov's momentum are the lines β/γ = 1 and β/γ = 1 + μ of INDIAN with a constant step from rest, where
μ = 1 − αγ is the momentum. At every point of the map the learning rate is the best of as many values as Adam has for
its own, by validation loss; the final runs have fresh seeds. If ``--data`` names no images, handwritten digits take
their place at the quick scale, and where CIFAR-10 or MNIST cannot be downloaded. Run with::

    python -m experiments family_map --data DIR
"""

from experiments.studies.family_map.report import main, redraw

__all__ = ["main", "redraw"]
