"""What users hand over, beyond what the core and Keras check.

- `constructor`: the arguments of a constructor;
- `damping`: the damping, as a number or as Nesterov's;
- `gradients`: the gradients of a step;
- `naming`: the name of an optimizer.
"""
