"""The step of INDIAN on each Keras backend.

- `indian_tf._step.dispatch`: the table of backends;
- `indian_tf._step.any_backend`: the step in Keras' own operations, and what a backend may replace;
- `indian_tf._step.tensorflow`, `indian_tf._step.jax`, `indian_tf._step.torch`: what each backend replaces;
- `indian_tf._step.settings`: the hyperparameters of a variable's step;
- `indian_tf._step.coefficients`: the numbers that a step multiplies with, from the settings;
- `indian_tf._step.sharing`: the coefficients of all variables, computed once in `apply`;
- `indian_tf._step.dtypes`: the dtype of the arithmetic.
"""
