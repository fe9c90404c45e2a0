"""What users hand over: checked, and in the form that JAX computes with.

- `scalars`: hyperparameters and values of schedules;
- `dtypes`: dtypes of the state, and the dtypes to compute in;
- `trees`: trees that must have one structure;
- `decay_mask`: the tree that says which parameters decay.
"""
