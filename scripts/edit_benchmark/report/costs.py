"""What models behind servers cost: the sums over a run's ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edit_benchmark.report.rows import RUN, CostRow
from edit_benchmark.results.spending import Spending, Spent

_KIND = {"models": "edit", "judges": "score"}


def cost_rows(spending: Spending, config: Mapping[str, Any]) -> list[CostRow]:
    """One row for each model and judge that asked a server, and one for all; empty without any.

    Parameters
    ----------
    config
        The configuration of the run: its prices count, and those that a request was sent under
        where it has none.
    """
    rows = [_row(spent, config) for spent in spending.by_name.values()]
    if not rows:
        return []
    total = CostRow(
        kind=RUN,
        name="",
        model="",
        requests=sum(row.requests for row in rows),
        not_counted=sum(row.not_counted for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        image_tokens=sum(row.image_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost=_sum([row.cost for row in rows]),
        cost_at_most=_sum([row.cost_at_most for row in rows]),
    )
    return [*rows, total]


def _row(spent: Spent, config: Mapping[str, Any]) -> CostRow:
    settings = (config.get(spent.section) or {}).get(spent.name) or {}
    price = settings.get("price") or spent.price
    usage = spent.usage
    return CostRow(
        kind=_KIND[spent.section],
        name=spent.name,
        model=spent.model,
        requests=spent.answered,
        not_counted=len(spent.most),
        input_tokens=usage.input,
        image_tokens=usage.image,
        output_tokens=usage.output,
        cost=usage.cost(price) if price else None,
        cost_at_most=sum(spent.most.values(), usage).cost(price) if price else None,
    )


def _sum(costs: list[float | None]) -> float | None:
    """None if one is not known: a part would be taken for the whole."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
