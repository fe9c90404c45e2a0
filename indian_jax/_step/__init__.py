"""One step, in reading order.

- `settings`: the hyperparameters, checked once;
- `coefficients`: the numbers that a step multiplies with, from settings and count;
- `leaf`: the step of one leaf of the parameters.
"""
