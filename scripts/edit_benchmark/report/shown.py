"""Which samples the page and the contact sheets show with their images.

All of them, unless one page could not hold so many; then every k-th of each category.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from edit_benchmark.dataset import chains
from edit_benchmark.report.inputs import Inputs

#: A page with more score rows would take a browser seconds to open.
MOST_ROWS = 60_000


def shown(inputs: Inputs) -> Inputs:
    """``inputs`` with the samples that are shown, and their rows."""
    step = math.ceil(len(inputs.scores) / MOST_ROWS)
    if step <= 1:
        return inputs
    positions: Counter[str] = Counter()
    chosen = set()
    for sample in inputs.samples:
        if sample.after:
            continue
        if positions[sample.category] % step == 0:
            chosen.add(sample.id)
        positions[sample.category] += 1
    # Of a chain of edits all turns: each is shown with what it was made from.
    first = chains.first_turn_of(inputs.samples)
    samples = [sample for sample in inputs.samples if first[sample.id].id in chosen]
    ids = {sample.id for sample in samples}
    return replace(inputs, samples=samples, scores=[row for row in inputs.scores if row.id in ids])
