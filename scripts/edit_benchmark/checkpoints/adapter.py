"""The names of a LoRA adapter's tensors, and the layers of the model that they belong to.

Programs that train adapters name them in ways of their own: with ``transformer.`` or
``diffusion_model.`` before the layer, ``lora_unet_`` and all dots as underscores, a ``.default.``
in between, ``lora_down`` for ``lora_A``. What is named otherwise only diffusers can convert.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edit_benchmark.checkpoints import selection
from edit_benchmark.checkpoints.completeness import tensor_types
from edit_benchmark.checkpoints.selection import Choice
from edit_benchmark.errors import UserError, shorten

#: The components of a pipeline that an adapter may change, one of which it has.
DENOISERS = ("transformer", "unet")
_TENSOR = re.compile(r"(.+)\.(?:(lora_A|lora_B|lora_down|lora_up)\.(weight|bias)|alpha)")
_PARTS = {"lora_down": "lora_A", "lora_up": "lora_B"}
_PREFIXES = (
    "base_model.model.", "model.", "diffusion_model.", *(f"{name}." for name in DENOISERS),
)  # fmt: skip
_FLAT_PREFIXES = ("lora_unet_", "lora_transformer_")
# Of tensors for other components, which only loading the adapter tells.
_ELSEWHERE = ("text_encoder", "lora_te", "base_model.model.text_encoder")
ALPHA = "alpha"


@dataclass(frozen=True)
class Part:
    """A tensor of an adapter: the layer, and ``lora_A.weight`` and the like, or ``alpha``."""

    layer: str
    part: str


def parts(names: Collection[str], layers: Collection[str]) -> dict[str, Part]:
    """The tensors of an adapter that belong to one of a model's ``layers``, by their names."""
    flat = {layer.replace(".", "_"): layer for layer in layers}
    found = {}
    for name in names:
        match = _TENSOR.fullmatch(name.replace(".default.", "."))
        layer = _layer(match[1], layers, flat) if match else None
        if match and layer is not None:
            kind, tensor = match[2], match[3]
            found[name] = Part(layer, f"{_PARTS.get(kind, kind)}.{tensor}" if kind else ALPHA)
    return found


def _layer(name: str, layers: Collection[str], flat: dict[str, str]) -> str | None:
    for prefix in _FLAT_PREFIXES:
        if name.startswith(prefix):
            return flat.get(name.removeprefix(prefix))
    for prefix in _PREFIXES:
        if name not in layers:
            name = name.removeprefix(prefix)
    return name if name in layers else None


def layers_of(names: Collection[str]) -> list[str]:
    """The layers of an adapter's tensors as the file names them; the tensor, if it has none."""
    matches = {name: _TENSOR.fullmatch(name.replace(".default.", ".")) for name in names}
    return sorted({match[1] if match else name for name, match in matches.items()})


def unknown_layers(names: Collection[str], component: str, layers: Collection[str]) -> list[str]:
    """Of an adapter in diffusers' own names the layers that a component does not have."""
    prefix = f"{component}."
    own = {
        name.partition(".lora_A.")[0].removeprefix(prefix)
        for name in names
        if name.startswith(prefix) and ".lora_A." in name
    }
    return sorted(own - set(layers))


def check(path: Path, where: str, folder: Path, choice: Choice) -> None:
    """Refuse a LoRA file that is cut off, holds no LoRA, or none for the pipeline in ``folder``.

    Raises
    ------
    UserError
        It names the layers that the pipeline does not have.
    """
    names = tensor_types(path, f"config: {where}: lora.path {path}")
    if not any("lora" in name.lower() for name in names):
        raise UserError(
            f"config: {where}: lora.path {path} holds no tensor of a LoRA; give an adapter's file."
        )
    component = next((name for name in DENOISERS if (folder / name).is_dir()), None)
    files = selection.weights_of(folder / component, choice) if component else []
    if component is None or any(file.suffix != ".safetensors" for file in files):
        return  # whose layers only loading it tells
    layers = {
        name.removesuffix(".weight")
        for file in files
        for name in tensor_types(file, f"config: {where}: checkpoint {folder}")
        if name.endswith(".weight")
    }
    known = parts(names, layers)
    strange = [name for name in names if name not in known and not name.startswith(_ELSEWHERE)]
    unknown = layers_of(strange)
    if unknown and not known:
        unknown = _unknown_to_diffusers(path, folder, component, layers)
    if unknown:
        raise UserError(f"config: {where}: lora.path {path} {misfit(unknown, folder.name)}")


def _unknown_to_diffusers(
    path: Path, folder: Path, component: str, layers: Collection[str]
) -> list[str]:
    """The layers that are not in the model once diffusers has converted the adapter's names."""
    from edit_benchmark.checkpoints.loading import converted_adapter

    index = selection.read_object(folder / selection.PIPELINE) or {}
    converted = converted_adapter(str(index.get("_class_name")), path)
    return unknown_layers(converted or (), component, layers)


def misfit(unknown: Collection[str], model: str) -> str:
    """What is wrong with an adapter of which something is in no layer of a model."""
    listed = shorten(", ".join(unknown), 200)
    return (
        f"does not fit {model}: {len(unknown)} of its layers are not in it: {listed}; give the "
        "adapter of this very model."
    )
