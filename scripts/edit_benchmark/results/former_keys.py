"""Keys that versions before 0.2 gave to finished work, so that it is not made again.

Then a key held numbers as the configuration wrote them, no versions beyond torch, diffusers and
transformers, and no overrides of the environment: whether those differed nobody can tell, and the
report says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any

from edit_benchmark.results.store import KEY_RULE, Store, digest_of

# Settings whose numbers a configuration may write as 4 or as 4.0.
_NUMERIC = (
    "true_cfg_scale", "block_cache", "min_mass",
    "num_inference_steps", "height", "width", "max_pixels", "max_new_tokens",
)  # fmt: skip
# Ways of writing one set of settings that are looked up at most.
_MOST_FORMS = 512


def former_keys(model: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> Iterator[str]:
    """Keys of the rule of before 0.2 for the fields that it took.

    Parameters
    ----------
    model
        The model's part of them; None if such work is not the same now, and has no keys.
    asked
        What is asked of the model.

    Notes
    -----
    Then ``true_cfg_scale: 4`` was another edit than 4.0, and a LoRA with its default scale written
    out another than one without. Nobody knows how an earlier configuration wrote its numbers, so
    every way is tried. Arguments of a class or of a pipeline's call are taken as they are written.
    """
    if model is None:
        return
    fields = {**model, **asked}
    options = {name: _number_forms(fields[name]) for name in _NUMERIC if name in fields}
    if fields.get("lora"):
        options["lora"] = _lora_forms(fields["lora"])
    for forms in islice(product(*options.values()), _MOST_FORMS):
        yield digest_of({**fields, **dict(zip(options, forms, strict=True))})


def remove(store: Store, key: str) -> bool:
    """Forget what is kept under ``key``, and under each key that the same work had before 0.2.

    Returns whether there was something.
    """
    content = store.get_undamaged(key) or {}
    fields = content.get("key_fields")
    if fields and content["key_rule"] < KEY_RULE:
        for former in former_keys(fields, {}):
            store.remove(former)
    return store.remove(key) or bool(content)


def _number_forms(value: Any) -> list[Any]:
    """The ways to write a number: 4 and 4.0; anything else is itself."""
    if type(value) is int:
        return [value, float(value)]
    return [value, int(value)] if _is_whole_float(value) else [value]


def _lora_forms(lora: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ways to write a LoRA's settings: its defaults written out or left out."""
    rest = {name: value for name, value in lora.items() if name not in ("scale", "scheduler")}
    scale, scheduler = lora.get("scale", 1.0), lora.get("scheduler", {})
    scales: list[dict[str, Any]] = [{"scale": form} for form in _number_forms(scale)]
    schedulers: list[dict[str, Any]] = [{"scheduler": scheduler}]
    if scale == 1:
        scales.append({})
    if not scheduler:
        schedulers.append({})
    return [{**rest, **one, **other} for one, other in product(scales, schedulers)]


def _is_whole_float(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
