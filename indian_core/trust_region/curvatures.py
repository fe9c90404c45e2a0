"""The curvatures B of the trust region, by name: what each needs. The products are each framework's own."""

from typing import Final, NamedTuple

__all__ = ["CURVATURES", "Curvature"]


class Curvature(NamedTuple):
    """What a curvature needs.

    Attributes:
        has_products: Whether B is not 0, so that a step takes products with it.
        needs_output: Whether the user's function must return the output of the network beside the loss.
        differentiates_gradient: Whether a product is a derivative of the gradient.
    """

    has_products: bool
    needs_output: bool
    differentiates_gradient: bool


CURVATURES: Final = {
    "hessian": Curvature(has_products=True, needs_output=False, differentiates_gradient=True),
    "gauss_newton": Curvature(has_products=True, needs_output=True, differentiates_gradient=False),
    "none": Curvature(has_products=False, needs_output=False, differentiates_gradient=False),
}
"""The curvatures by name."""
