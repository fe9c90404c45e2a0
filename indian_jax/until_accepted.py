"""Steps of the trust region that are tried again until one is accepted."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from indian_core.hyperparameters import check_whole_number
from indian_jax.ellipsoidal_trust_region import TrustRegionState

__all__ = ["until_accepted"]


def until_accepted(
    trust_region: optax.GradientTransformationExtraArgs, max_trials: int = 30
) -> optax.GradientTransformationExtraArgs:
    """Make each update of a trust region an accepted step, if one of its trials is.

    A rejected step of `trust_region` is an update of zeros, with a smaller radius in the state. A solver that stops
    once the updates are small takes it for convergence; ``optimistix.OptaxMinimiser`` does. Within one update of this
    transformation, a rejected step is sought again in the smaller ellipsoid, at the same parameters and with the same
    gradient. So an update is zero only at a minimum, as far as the loss is known, or after ``max_trials`` rejections.

    Args:
        trust_region: From `trust_region`; its state is the state of this transformation.
        max_trials: Steps that are sought at most in one update, an integer >= 1.

    Returns:
        The transformation. The report in its state is that of the last trial, and counts the backpropagations of all.

    Raises:
        TypeError: ``max_trials`` is not an integer; in ``update``, the state is another transformation's.
        ValueError: ``max_trials`` is less than 1.

    Example:
        >>> import jax.numpy as jnp
        >>> import optimistix
        >>> from indian_jax import trust_region, until_accepted
        >>> def rosenbrock(y, args):
        ...     return 100 * (y[1] - y[0] ** 2) ** 2 + (1 - y[0]) ** 2
        >>> solver = optimistix.OptaxMinimiser(until_accepted(trust_region(norm=None, radius=1.0)), 1e-6, 1e-6)
        >>> solution = optimistix.minimise(rosenbrock, solver, jnp.array([-1.2, 1.0]), max_steps=500)
        >>> bool(jnp.allclose(solution.value, 1.0, atol=1e-2))
        True
    """
    check_whole_number("max_trials", max_trials, minimum=1)

    def update_fn(
        updates: optax.Updates, state: TrustRegionState, params: optax.Params | None = None, **extra_args: Any
    ) -> tuple[optax.Updates, TrustRegionState]:
        if not isinstance(state, TrustRegionState):
            raise TypeError(f"state must be a TrustRegionState, as `init` returns it, got {type(state).__name__}")

        def goes_on(carry: Any) -> jax.Array:
            trial, _, state = carry
            return (trial < max_trials) & ~(state.report.accepted | state.report.within_rounding)

        def try_again(carry: Any) -> Any:
            trial, _, state = carry
            return trial + 1, *trust_region.update(updates, state, params, **extra_args)

        # The first trial is one of the loop, for the compiler to see the search for a step once.
        no = jnp.zeros((), bool)
        undecided = state._replace(report=state.report._replace(accepted=no, within_rounding=no))
        nothing = jax.tree.map(jnp.zeros_like, params)
        _, step, state = jax.lax.while_loop(goes_on, try_again, (0, nothing, undecided))
        return step, state

    return optax.GradientTransformationExtraArgs(trust_region.init, update_fn)
