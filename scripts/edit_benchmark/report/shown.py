"""Which samples the page and the contact sheets show with their images.

All of them, unless one page could not hold so many; then every k-th of each category.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from edit_benchmark.report.inputs import Inputs

#: A page with more score rows would take a browser seconds to open.
MOST_ROWS = 60_000


def shown(inputs: Inputs) -> Inputs:
    """``inputs`` with the samples that are shown, and their rows."""
    step = math.ceil(len(inputs.scores) / MOST_ROWS)
    if step <= 1:
        return inputs
    positions: Counter[str] = Counter()
    samples = []
    for sample in inputs.samples:
        if positions[sample.category] % step == 0:
            samples.append(sample)
        positions[sample.category] += 1
    ids = {sample.id for sample in samples}
    return replace(inputs, samples=samples, scores=[row for row in inputs.scores if row.id in ids])
