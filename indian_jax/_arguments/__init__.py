"""What users hand over: checked, and in the form that JAX computes with.

- `scalars`: hyperparameters and values of schedules;
- `dtypes`: dtypes of the state, and the dtypes to compute in;
- `damping`: the damping, and the learning rate beside it;
- `trees`: trees that must have one structure;
- `decay_mask`: the tree that says which parameters decay.
"""
