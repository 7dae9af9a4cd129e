"""Loading models: their classes, their weights put in place, and missing weights refused.

``from_pretrained`` draws weights that are missing from the files at random; here they are an error.
diffusers, transformers and accelerate are imported late: weights are read beside their imports.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from edit_benchmark.checkpoints.selection import MODEL, PIPELINE, read_object
from edit_benchmark.errors import UserError, shorten

log = logging.getLogger(__name__)

#: The tensors of a model by their names, once they are read.
Weights = Future[dict[str, torch.Tensor]]
#: A model, and what its loading reports, as ``output_loading_info`` of ``from_pretrained`` does.
Loaded = tuple[Any, dict[str, Any]]

# Raised as an error they would be in a table of many lines, and the exception would not name them.
_REPORT_MISMATCHES = {"ignore_mismatched_sizes": True}
# Buffers that a model computes, which old checkpoints hold as well.
_COMPUTED = ("inv_freq", "position_ids", "num_batches_tracked", "masked_bias")
_BASES = {"diffusers": "ModelMixin", "transformers": "PreTrainedModel"}


def components(checkpoint: Path) -> dict[str, tuple[str, str]]:
    """Library and class of the components of a diffusers pipeline by their names."""
    index = read_object(checkpoint / PIPELINE) or {}
    return {name: (value[0], value[1]) for name, value in index.items() if isinstance(value, list)}


def worth_reading(checkpoint: Path) -> list[Path]:
    """The folders of a pipeline's large models, the largest first.

    Nothing is known of them yet but their libraries. The others of diffusers' models are small, and
    it has to rename some of their old tensors.
    """
    known = components(checkpoint)
    first = [name for name in ("transformer", "unet") if name in known]
    then = [name for name, (library, _) in known.items() if library == "transformers"]
    return [checkpoint / name for name in [*first, *then]]


def model_class(library: str, name: str) -> type | None:
    """A model's class, if it is one of the library's own; None for a tokenizer and the like."""
    if library not in _BASES:
        return None
    module = importlib.import_module(library)
    kind = getattr(module, name, None)
    base = getattr(module, _BASES[library])
    return kind if isinstance(kind, type) and issubclass(kind, base) else None


def import_classes(checkpoint: Path) -> dict[str, type]:
    """Import a pipeline and all its components; the models' classes by the components' names."""
    import diffusers

    index = read_object(checkpoint / PIPELINE) or {}
    getattr(diffusers, index.get("_class_name", ""), None)
    kinds = {name: model_class(*component) for name, component in components(checkpoint).items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def is_plain(folder: Path) -> bool:
    """Whether a model is nothing but its config and its weights.

    Quantised ones, adapters and those with code of their own only from_pretrained can load.
    """
    config = _config(folder)
    return (
        config is not None
        and not {"quantization_config", "auto_map"} & set(config)
        and not (folder / "adapter_config.json").is_file()
    )


def place_weights(
    folder: Path, kind: type, weights: Weights, dtype: torch.dtype, device: str
) -> Loaded | None:
    """The model in ``folder`` with tensors that were read already.

    None if only ``from_pretrained`` knows how its class loads them.

    Raises
    ------
    UserError
        If a tensor has another shape than the model that ``config.json`` describes.
    """
    place = _place_diffusers if _is_of_diffusers(kind) else _place_transformers
    return place(folder, kind, weights, dtype, device)


def from_pretrained(folder: Path, kind: Any, **arguments: Any) -> Loaded:
    """The model in ``folder`` as its own library loads it, from local files.

    Raises
    ------
    UserError
        If a tensor has another shape than the model that ``config.json`` describes.
    """
    arguments |= {"local_files_only": True, "output_loading_info": True}
    loaded: Loaded
    if not _is_of_diffusers(kind):
        loaded = kind.from_pretrained(folder, **_REPORT_MISMATCHES, **arguments)
        return loaded
    try:
        loaded = kind.from_pretrained(folder, **arguments)
    except (RuntimeError, ValueError) as error:
        if "expected shape" in str(error) or "size mismatch" in str(error):
            raise _misfit(folder, str(error)) from None
        raise
    return loaded


def refuse_misfit(folder: Path, report: dict[str, Any]) -> None:
    """Refuse a model of which loading reports weights as missing, left over or of another shape.

    Left over are layers that config.json does not know: another model than was trained would be
    measured. For a quantised model it is only logged.

    Raises
    ------
    UserError
        It names the weights.
    """
    missing = sorted(report["missing_keys"])
    missing += [
        f"{key} of shape {tuple(stored)} in place of {tuple(expected)}"
        for key, stored, expected in sorted(report.get("mismatched_keys", []))
    ]
    left_over = sorted(
        key for key in report.get("unexpected_keys", []) if not key.endswith(_COMPUTED)
    )
    # Only its quantiser knows which tensors a quantised model has.
    is_quantised = "quantization_config" in (_config(folder) or {})
    for what, names in (("missing", missing), ("not in the model", left_over)):
        if names and is_quantised:
            listed = shorten(", ".join(names), 300)
            log.warning("%s: its quantiser reports as %s: %s", folder, what, listed)
        elif names:
            raise _misfit(folder, f"{what}: {', '.join(names)}")


def device_map(device: str) -> str | None:
    """What ``from_pretrained`` takes for ``device``; None leaves a model on the host."""
    return device if device != "cpu" else None


def converted_adapter(pipeline: str, path: Path) -> list[str] | None:
    """The names of a LoRA adapter's tensors as a class of diffusers converts them.

    None if the class knows no adapters, or cannot convert this one.
    """
    import diffusers

    convert = getattr(getattr(diffusers, pipeline, None), "lora_state_dict", None)
    if convert is None:
        return None
    try:
        state = convert(
            str(path.parent), weight_name=path.name, local_files_only=True, use_safetensors=True
        )
    except Exception:  # of any sort, at names that it does not know
        log.debug("%s: %s cannot convert it", path, pipeline, exc_info=True)
        return None
    return list(state[0] if isinstance(state, tuple) else state)


def _is_of_diffusers(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "diffusers"


def _place_diffusers(
    folder: Path, kind: Any, weights: Weights, dtype: torch.dtype, device: str
) -> Loaded | None:
    import accelerate

    if getattr(kind, "_keep_in_fp32_modules", None):
        return None
    # Buffers are computed, not read, and so they are real from the start.
    with accelerate.init_empty_weights(include_buffers=False):
        model: Any = kind.from_config(_config(folder))
    try:
        keys = model.load_state_dict(weights.result(), strict=False, assign=True)
    except RuntimeError as error:
        raise _misfit(folder, str(error)) from None
    if keys.missing_keys or keys.unexpected_keys:
        return None  # perhaps only renamed; what really does not fit diffusers will say
    return model.to(device), {"missing_keys": []}


def _place_transformers(
    folder: Path, kind: Any, weights: Weights, dtype: torch.dtype, device: str
) -> Loaded:
    # transformers itself places the tensors: it knows which are renamed and which are tied.
    import transformers

    extra = {}
    if (folder / "generation_config.json").is_file():
        extra["generation_config"] = transformers.GenerationConfig.from_pretrained(folder)
    with _nothing_allocated_ahead():
        loaded: Loaded = kind.from_pretrained(
            None,
            config=kind.config_class.from_pretrained(folder, local_files_only=True),
            state_dict=weights.result(),
            dtype=dtype,
            device_map=device_map(device),
            output_loading_info=True,
            **_REPORT_MISMATCHES,
            **extra,
        )
    return loaded


@contextmanager
def _nothing_allocated_ahead() -> Iterator[None]:
    """transformers without its allocation of a model's whole size before it takes up the weights.

    They lie on the device already, so that a model of more than half its memory would not fit.
    """
    from transformers import modeling_utils

    allocate = modeling_utils.caching_allocator_warmup
    modeling_utils.caching_allocator_warmup = lambda *_given: None
    try:
        yield
    finally:
        modeling_utils.caching_allocator_warmup = allocate


def _misfit(folder: Path, problem: str) -> UserError:
    return UserError(
        f"{folder}: the weights do not fit its config.json ({' '.join(problem.split())[:300]}); "
        "download the checkpoint again."
    )


def _config(folder: Path) -> dict[str, Any] | None:
    return read_object(folder / MODEL)
