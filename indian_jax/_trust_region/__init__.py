"""The parts of the trust region: the function to minimize, products with its curvature, and the space of vectors."""
