"""What a training run leaves behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lab_utils.arguments import whole


@dataclass
class History:
    """One row per point at which training was measured, and the best weights.

    Attributes:
        rows: each with ``step`` (steps done), ``epoch`` (passes over the data done), ``lr`` (the largest of the
            groups), ``train_loss`` (mean since the row before, in train mode), ``seconds`` (of training so far,
            without validation) and, with a validation split, ``val_loss`` and ``val_<metric>``.
        monitor: the column that chose the best weights: ``val_auroc`` where it is defined, else ``val_loss``; empty
            without validation.
        best_step: steps done when `monitor` was best, or None.
        best_value: its value there.
        best_state: a copy, on the CPU, of the network's state_dict there.
    """

    rows: list[dict[str, float]] = field(default_factory=list, repr=False)
    monitor: str = ""
    best_step: int | None = None
    best_value: float | None = None
    best_state: dict[str, Tensor] | None = field(default=None, repr=False)

    def column(self, name: str) -> list[float]:
        """The values of one column, NaN in rows that lack it.

        Raises:
            KeyError: if no row has it.
        """
        if not any(name in row for row in self.rows):
            known = ", ".join(dict.fromkeys(key for row in self.rows for key in row))
            raise KeyError(f"no row has {name!r}; there are {known or 'no rows'}")
        return [row.get(name, math.nan) for row in self.rows]

    def frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def better(self, value: float) -> bool:
        """Whether `value` of `monitor` is better than the best so far. NaN, which measures nothing, never is."""
        if math.isnan(value):
            return False
        if self.best_value is None or math.isnan(self.best_value):
            return True
        return value < self.best_value if self.monitor.endswith("loss") else value > self.best_value

    def then(self, after: "History") -> "History":
        """This run followed by another on the same network: steps, epochs and seconds run on.

        The best of the two is kept; the earlier one where they are equal. Where they were chosen by different columns,
        whose values cannot be compared, it is the best of the later run.
        """
        end = self.rows[-1] if self.rows else {}
        shift = {name: end.get(name, 0) for name in ("step", "epoch", "seconds")}
        rows = self.rows + [row | {name: row[name] + by for name, by in shift.items()} for row in after.rows]
        other = self.monitor != after.monitor
        use_after = after.best_value is not None and (other or self.better(after.best_value))
        best = after if use_after else self
        step = best.best_step
        if use_after and step is not None:
            step += int(shift["step"])
        return History(rows, best.monitor or self.monitor, step, best.best_value, best.best_state)


def row_steps(total: int, every: int | None, at: Sequence[int] | None, default: int) -> frozenset[int]:
    """Numbers of steps after which a history gets a row; the last step always does.

    Raises:
        ValueError: if there is no step, or the wish does not fit them.
    """
    if every is not None and at is not None:
        raise ValueError("give either eval_every= or eval_at=, not both.")
    total = whole("steps", total)
    every = None if every is None else whole("eval_every", every)
    if total < 1 or (every is not None and every < 1):
        raise ValueError(f"expected at least one step, and eval_every of at least 1; got {total} steps, {every}.")
    if at is not None:
        if isinstance(at, str) or not hasattr(at, "__iter__"):
            raise ValueError(f"eval_at must be a list of steps, such as eval_at=[0, 10, 100]; got {at!r}.")
        steps = [whole("eval_at", step, example=10) for step in at]
        if wrong := [step for step in steps if not 0 <= step <= total]:
            raise ValueError(f"eval_at must lie between 0 and the last step, {total}; got {wrong}.")
        return frozenset({*steps, total})
    return frozenset({*range(every or default, total, every or default), total})
