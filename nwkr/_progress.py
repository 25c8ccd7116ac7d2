"""The steps of a search, for scikit-learn's callbacks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin as _Callbacks
except ImportError:  # before scikit-learn 1.9

    class _Callbacks:  # type: ignore[no-redef]
        """Callbacks do not exist in this scikit-learn."""


__all__ = ["Progress"]


class Progress(_Callbacks):
    """An estimator whose `fit` is a sequence of steps."""

    def _begin_fit(self):
        if hasattr(self, "_init_callback_context"):
            context = self._init_callback_context(max_subtasks=None)
            context.call_on_fit_task_begin(estimator=self)

    def _end_fit(self):
        if hasattr(self, "_callback_fit_ctx"):
            self._callback_fit_ctx.call_on_fit_task_end(estimator=self)

    @contextmanager
    def _step(self, name):
        """A step of the search."""
        if not hasattr(self, "_callback_fit_ctx"):
            yield
            return
        context = self._callback_fit_ctx.subcontext(task_name=name)
        context.call_on_fit_task_begin(estimator=self)
        yield
        context.call_on_fit_task_end(estimator=self)

    def _in_steps(self, objective: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The objective, each of whose values is a step."""

        def in_a_step(x):
            with self._step("slopes"):
                return objective(x)

        return in_a_step
