"""The ellipsoidal trust region as a Keras 3 optimizer, on the TensorFlow backend."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from indian_core import norms
from indian_core.trust_region import DEFAULTS, Report, Settings, check
from indian_core.trust_region.problem import Problem
from indian_core.trust_region.radius import judge
from indian_core.trust_region.report import report_of_step
from indian_core.trust_region.stall import StallWatch
from indian_core.trust_region.subproblem import solve
from indian_tf._arguments.constructor import check_names
from indian_tf._compat import Variable, add_optimizer_variables, check_known, index_of
from indian_tf._saved.state import check_fit, load_own_variables
from indian_tf._step.tensorflow import is_compiled
from indian_tf._trust_region.curvature import differentiate, flat, loss_of, views
from indian_tf._trust_region.space import TensorFlowSpace, eps_of

__all__ = ["TrustRegion"]


@keras.saving.register_keras_serializable(package="indian")
class TrustRegion(keras.optimizers.Optimizer):
    r"""The ellipsoidal trust region: a Newton method whose steps stay in the ellipsoids of RMSProp or AdaGrad.

    At variables :math:`w`, with gradient :math:`g`, curvature :math:`B` and the positive diagonal :math:`A` of a norm
    (see `indian_core.norms`), a step is

    .. math::
        s \approx \arg\min_s\; g^\top s + \tfrac12 s^\top B s \quad\text{subject to}\quad \sqrt{s^\top A s} \le \Delta,

    accepted if the loss falls by enough of what the quadratic model promises; the radius :math:`\Delta` follows.
    Source: Kohler, Adolphs, Lucchi, "Adaptive norms for deep learning with regularized Newton methods" (2019).

    A step needs the loss as a function, not a gradient alone: use `minimize`, or `compile` and ``fit`` of a
    `indian_tf.TrustRegionModel`. Either works on the TensorFlow backend; on the others there are
    ``indian_torch.TrustRegion`` and ``indian_jax.trust_region``.

    A batch's loss and its loss at the trial point must be the same function. A `TrustRegionModel` takes care that
    dropout draws the same numbers in both; batch normalization sees the batch twice.

    Memory beside the variables: the norm's accumulator, which is the state; while the step is sought, six vectors of
    the size of the variables, g, s, r, d, Bd and A (with ``"lanczos"`` g, s, q, the q before, Bq and A), with up to
    three temporaries, and the graph of the gradient; then g, s, A and a copy of the variables.

    A rejected step changes nothing but the radius and the count of backpropagations: the norm takes in the gradients of
    accepted steps alone. There is no learning rate; Keras' own attribute of that name is 1 and of no effect.

    Args:
        norm: The shape of the ellipsoid: ``"rmsprop"``, ``"adagrad"``, or None for a ball.
        curvature: ``"hessian"``; ``"gauss_newton"``, for which a loss function returns the pair of the loss and the
            output that it is a function of, a tensor or a structure of tensors; or ``"none"`` for the first-order
            method.
        subproblem: How the step is found: ``"steihaug"``, conjugate gradients, or ``"lanczos"``, which costs about
            twice as many products and escapes saddles.
        radius: Δ₀ > 0, the first radius. The default is the paper's; for runs of some hundred steps try 0.1.
        max_radius: Δ_max >= Δ₀.
        accept_ratio: η₁ in [0, 1]: a step of a smaller ratio of real to promised decrease is rejected.
        expand_ratio: η₂ in [η₁, 1]: after a step of a greater ratio the radius grows.
        expand_factor: γ₁ >= 1, by which it grows.
        shrink_factor: γ₂ > 1, by which it shrinks after a rejected step. None: 1.5, with ``"rmsprop"`` 1.75.
        tolerance: κ in (0, 1]: the residual falls to ‖g‖ min(κ, ‖g‖).
        max_iterations: Iterations of the subproblem at most, >= 1.
        norm_decay: σ of RMSProp, in [0, 1).
        norm_epsilon: ε > 0 of the norm.
        name: Name of the optimizer; None: ``"trust_region"``, ``"trust_region_1"`` and so on.

    Raises:
        TypeError: A hyperparameter is of the wrong type.
        ValueError: A hyperparameter is out of its range.
        ImportError: At the import, where Keras runs on another backend than TensorFlow.

    Example:
        >>> import keras
        >>> from indian_tf import TrustRegion
        >>> variable = keras.Variable([3.0, -4.0])
        >>> optimizer = TrustRegion(radius=1.0)
        >>> for _ in range(20):
        ...     report = optimizer.minimize(lambda: keras.ops.sum(variable**2), [variable])
        >>> bool(report.loss < 1e-6)
        True
    """

    def __init__(
        self,
        *,
        norm: str | None = DEFAULTS.norm,
        curvature: str = DEFAULTS.curvature,
        subproblem: str = DEFAULTS.subproblem,
        radius: float = DEFAULTS.radius,
        max_radius: float = DEFAULTS.max_radius,
        accept_ratio: float = DEFAULTS.accept_ratio,
        expand_ratio: float = DEFAULTS.expand_ratio,
        expand_factor: float = DEFAULTS.expand_factor,
        shrink_factor: float | None = DEFAULTS.shrink_factor,
        tolerance: float = DEFAULTS.tolerance,
        max_iterations: int = DEFAULTS.max_iterations,
        norm_decay: float = DEFAULTS.norm_decay,
        norm_epsilon: float = DEFAULTS.norm_epsilon,
        name: str | None = None,
    ) -> None:
        given = Settings(
            norm=norm,
            curvature=curvature,
            subproblem=subproblem,
            radius=radius,
            max_radius=max_radius,
            accept_ratio=accept_ratio,
            expand_ratio=expand_ratio,
            expand_factor=expand_factor,
            shrink_factor=shrink_factor,
            tolerance=tolerance,
            max_iterations=max_iterations,
            norm_decay=norm_decay,
            norm_epsilon=norm_epsilon,
        )
        settings = check(given)
        super().__init__(learning_rate=1.0, name=name)
        self.settings = settings
        self._watch = StallWatch("loss_fn")

    def build(self, variables: Sequence[Any]) -> None:
        """Create the radius, the counts and, in a norm, the accumulator of each variable.

        Raises:
            TypeError: A variable is no Keras variable, or not of dtype float32 or float64, or they are of several.
            ValueError: A variable has a constraint: to meet it would change a step that has been judged.
        """
        if self.built:
            return
        for variable in variables:
            if not isinstance(variable, Variable):
                raise TypeError(f"variables must be Keras variables, got {type(variable).__name__}")
            if variable.constraint is not None:
                raise ValueError(f"variables must have no constraint, got one on {variable.path}")
        dtypes = {keras.backend.standardize_dtype(variable.dtype) for variable in variables}
        if not dtypes <= {"float32", "float64"} or len(dtypes) > 1:
            raise TypeError(f"variables must all be of dtype float32, or all of float64, got {sorted(dtypes)}")
        super().build(variables)
        dtype = min(dtypes, default="float32")
        self.radius = self.add_variable((), self._first_radius, dtype, name="radius")
        self.accepted_steps = self.add_variable((), dtype="int32", name="accepted_steps")
        self.backpropagations = self.add_variable((), dtype="int32", name="backpropagations")
        self._accumulators: list[Any] = []
        if self.settings.norm is not None:
            self._accumulators = add_optimizer_variables(self, variables, "accumulator")

    def _first_radius(self, shape: Any, dtype: Any) -> Any:
        # Keras' own initializer for constants rounds them to float32.
        return np.full(shape, self.settings.radius, dtype)

    def minimize(self, loss_fn: Callable[[], Any], variables: Sequence[Any]) -> Report:
        """Take one step, or find that the radius has to shrink.

        In a ``tf.function`` it is compiled, which is much faster.

        If ``loss_fn`` is not the same function at the variables and at the trial point, or does not depend on the step,
        no step helps, and the radius shrinks. One `UserWarning` says so, at most once for each optimizer. In a step
        that XLA compiles nothing looks for this.

        Args:
            loss_fn: Evaluates the model and returns the loss, a tensor of one element; with
                ``curvature="gauss_newton"`` the pair of the loss and the output of the network that it is a function
                of. It is called at the variables and at the trial point.
            variables: Keras variables, those of the first call or some of them.

        Returns:
            What happened, an `indian_core.trust_region.Report` of tensors without dimensions.

        Raises:
            TypeError: ``loss_fn`` is not callable, or returns no tensor of a floating dtype; ``variables`` is no list;
                or as `build`.
            ValueError: The loss has more than one element, or does not depend on the variables; there are no
                variables, or one that the first call had not; or as `build`.
            RuntimeError: The loss cannot be differentiated twice. In each case, and in that of an error in ``loss_fn``,
                variables and state are as before. Only where a ``tf.function`` fails as it runs, at an operation of
                TensorFlow's that checks numbers for instance, do the variables stay at the trial point.
        """
        if not callable(loss_fn):
            raise TypeError(f"loss_fn must be a function that returns the loss, got {loss_fn!r}")
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise RuntimeError("TrustRegion works on one replica, got a distribution strategy with several")
        if not isinstance(variables, (list, tuple)):
            raise TypeError(f"variables must be a list of Keras variables, got {type(variables).__name__}")
        if not variables:
            raise ValueError("variables must hold at least one Keras variable, got none")
        with tf.init_scope():
            self.build(variables)
        check_known(self, variables)
        accumulators = [self._accumulators[index_of(self, v)].value for v in variables if self._accumulators]
        values, settings = [variable.value for variable in variables], self.settings
        local = differentiate(loss_fn, values, settings.curvature)
        accumulator, scale = self._ellipsoid(local.gradient, values, accumulators)
        radius = tf.convert_to_tensor(self.radius.value)
        # A loss in float64 of parameters in float32 is known to the precision of these.
        eps = max(eps_of(local.loss), eps_of(radius))
        limits = (settings.tolerance, settings.max_iterations)
        problem = Problem(local.gradient, local.product, radius, local.loss, eps, *limits)
        solution = solve(problem, TensorFlowSpace(scale), settings.subproblem)
        counts = {
            name: tf.cast(getattr(solution, name), tf.int32) for name in ("iterations", "termination", "products")
        }
        solution = solution._replace(**counts)

        before = [tf.identity(value) for value in values]
        try:
            for value, part in zip(values, views(solution.step, values), strict=True):
                value.assign_add(part)
            trial_loss = tf.stop_gradient(loss_of(loss_fn(), settings.curvature))
        except BaseException:
            for value, old in zip(values, before, strict=True):
                value.assign(old)
            raise
        loss, trial = (tf.cast(each, radius.dtype) for each in (local.loss, trial_loss))
        decrease, end = solution.model_decrease, solution.termination
        verdict = judge(loss, trial, decrease, radius, end, settings, eps=eps, xp=ops)
        accepted = verdict.accepted
        for value, old in zip(values, before, strict=True):
            value.assign(tf.where(accepted, value, old))
        grown = views(accumulator, values) if accumulators else []
        for kept, new in zip(accumulators, grown, strict=True):
            kept.assign(tf.where(accepted, new, kept))
        report = report_of_step(loss, trial, solution, verdict, tf.convert_to_tensor(self.backpropagations.value))
        self.radius.assign(verdict.radius)
        self.iterations.assign_add(1)
        self.accepted_steps.assign_add(tf.cast(accepted, tf.int32))
        self.backpropagations.assign(report.backpropagations)
        report = Report(*map(tf.convert_to_tensor, report))
        if tf.executing_eagerly():
            self._see(*report)
        elif not is_compiled():
            tf.numpy_function(self._see, report, [])
        return report

    def _see(self, *report: Any) -> None:
        """Show what the reports so far say is wrong with the loss function."""
        message = self._watch.see(Report(*map(float, report)))
        if message is not None:
            warnings.warn(message, stacklevel=3)

    def _ellipsoid(self, gradient: Any, values: Sequence[Any], accumulators: Sequence[Any]) -> tuple[Any, Any]:
        """The norm's accumulator with this gradient taken in, as a vector, and A."""
        settings, count = self.settings, tf.cast(self.accepted_steps.value + 1, gradient.dtype)
        coefficients = norms.norm_coefficients(settings.norm, count, settings.norm_decay, settings.norm_epsilon, ops)
        accumulator = None
        if accumulators:
            before = flat(accumulators, values)
            accumulator = norms.accumulate(before, gradient, coefficients)
        return accumulator, norms.scale(accumulator, coefficients, ops) * tf.ones_like(gradient[:1])

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Refuse: gradients alone do not say what a step needs to know.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeError(
            "TrustRegion needs the loss as a function, not gradients: call minimize(loss_fn, variables), "
            "or compile and fit an indian_tf.TrustRegionModel"
        )

    def load_own_variables(self, store: Any) -> None:
        """Load the state from a store of Keras, or warn that it is another's and load nothing."""
        load_own_variables(self, super().load_own_variables, store)

    def set_weights(self, weights: Any) -> None:
        """Set the state; see `keras.optimizers.Optimizer`.

        Raises:
            ValueError: The arrays are not as many as those of the state, or not of their shapes; none has changed.
        """
        check_fit(self, weights)
        super().set_weights(weights)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"name": self.name, **self.settings._asdict()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The optimizer of a config; what the config leaves out has the default of the constructor.

        Raises:
            TypeError: A key is unknown.
        """
        known = {**inspect.signature(TrustRegion).parameters, **inspect.signature(cls).parameters}
        check_names(cls.__name__, config, known)
        return super().from_config(config, custom_objects)
