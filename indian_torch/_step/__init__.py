"""One step of a parameter group: settings, coefficients, state, and the implementations of the update."""
