"""Signs in the reports that the loss is not what a trust region needs: the same function at both points of a step."""

import math
from collections import deque
from typing import Final

from indian_core.trust_region.report import Report

__all__ = ["StallWatch"]

_UNMOVED: Final = 3
"""So many steps in a row without any change of the loss are no coincidence."""

_SHRUNK: Final = 1e-8
"""A radius that is this part of an earlier accepted step allows no progress."""

_NOTHING: Final = 1e-6
"""A loss, or a promise of the model, that is this part of the greatest one may be rounding errors of a fit."""

_WINDOW: Final = 20
_WILD: Final = 10.0
"""The ratio of a smooth function tends to 1 as the radius shrinks; it is rarely below −10, and hardly ever above 10."""


class StallWatch:
    """Reads the report of each step, and says once what is wrong.

    Three faults look like steps that are rejected for good reasons: a loss that does not see the step, so that it is
    the same at the trial point; a loss that is another function at the trial point, as with a batch of its own; and a
    batch whose loss consists of rounding errors, and which shrinks the radius of all others.

    Args:
        function: Name of the user's function in the messages.

    Example:
        >>> watch = StallWatch("closure")
        >>> watch.see(Report(1.0, 0.5, 0.5, 1.0, 1.0, True, False, 1, 1, False, 1.0, 1.0, 2)) is None
        True
    """

    def __init__(self, function: str) -> None:
        self._function = function
        self._unmoved = 0
        self._greatest_promise = 0.0
        self._longest_step = 0.0
        self._greatest_loss = 0.0
        self._ratios: deque[float] = deque(maxlen=_WINDOW)
        self._has_warned = False

    def see(self, report: Report) -> str | None:
        """The message to show after this step, at most once; None if nothing is wrong.

        Args:
            report: Of plain numbers.
        """
        if self._has_warned or not math.isfinite(report.ratio) or report.model_decrease <= 0:
            return None
        self._take_note(report)
        message = None
        if self._is_starved(report):
            message = (
                f"the radius has fallen to {report.radius:.0e}, though the loss of this step's batch is far from 0: no "
                "step makes progress any more. Is another batch fitted up to rounding errors, which say nothing of the "
                f"radius and shrink it, or is {self._function} not smooth? Leave such a batch out, and set the radius"
            )
        elif report.within_rounding:
            return None
        elif self._unmoved >= _UNMOVED:
            message = (
                f"the loss at the trial point was exactly the loss at the parameters in {_UNMOVED} steps in a row, "
                f"though the model promised a decrease: {self._function} does not see the step. Does it use a copy of "
                "the parameters that was cached before, or return a loss that was computed outside of it?"
            )
        elif self._is_wild():
            message = (
                f"in most of the last {_WINDOW} steps the loss changed by more than {_WILD:g} times what the model "
                f"promised, up and down: {self._function} is not the same function at the parameters and at the trial "
                "point. Does it draw a batch or random numbers of its own in each call?"
            )
        self._has_warned = message is not None
        return message

    def _take_note(self, report: Report) -> None:
        self._greatest_loss = max(self._greatest_loss, abs(report.loss))
        if report.accepted:
            self._longest_step = max(self._longest_step, report.step_norm)
        if report.within_rounding:
            return
        self._greatest_promise = max(self._greatest_promise, report.model_decrease)
        if report.trial_loss != report.loss:
            self._unmoved = 0
        elif report.model_decrease >= _NOTHING * self._greatest_promise:
            self._unmoved += 1
        self._ratios.append(report.ratio)

    def _is_starved(self, report: Report) -> bool:
        """Whether the radius allows no progress of a batch that needs it."""
        is_small = report.radius < _SHRUNK * self._longest_step
        return bool(is_small and abs(report.loss) > _NOTHING * self._greatest_loss)

    def _is_wild(self) -> bool:
        """Whether the ratios of the last steps are those of unrelated losses."""
        wild = sum(abs(ratio) > _WILD for ratio in self._ratios)
        return wild >= 0.75 * _WINDOW and sum(ratio > _WILD for ratio in self._ratios) >= 3
