"""Which files of a checkpoint are loaded: a repository may hold its weights several times.

A single file for other programs beside the components' folders, ``consolidated.safetensors``, a
second variant: ``from_pretrained`` reads none of them, so they are neither counted nor asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints import files

#: The file that names a pipeline's components, and the one that names a model's class.
PIPELINE, MODEL = "model_index.json", "config.json"
#: What from_pretrained may read beside weights; all else (images, other formats) is not downloaded.
BESIDE_WEIGHTS = ("*.json", "*.txt", "*.jinja", "*.model", "*.py")
_SAFE, _PICKLED = ".safetensors", ".bin"


@dataclass(frozen=True)
class Choice:
    """What of a checkpoint is loaded.

    Attributes
    ----------
    standard
        The file that names its classes if the libraries load it: ``model_index.json`` of a
        pipeline, ``config.json`` of a model. Empty for a class of the user's own, which may lay its
        weights out as it likes: all that there are count.
    variant
        Taken where there is one of that name, as a pipeline does: its other components have none.
    allow_pickle
        Whether weights that are not safetensors are, where there are no others.
    has_words
        Whether a model comes with a tokenizer.
    """

    standard: str
    variant: str | None = None
    allow_pickle: bool = False
    has_words: bool = True

    def find(self, names: Collection[str]) -> str | None:
        """The weights of one model: of the files in its folder the one, or the index of several."""
        infixes = dict.fromkeys([self._infix, ""])
        spellings = (name for infix in infixes for name in self._spellings(infix))
        return next((name for name in spellings if name in names), None)

    def has_variant(self, names: Collection[str]) -> bool:
        """Whether a model's folder has weights of this very variant."""
        return any(name in names for name in self._spellings(self._infix))

    @property
    def _infix(self) -> str:
        return f".{self.variant}" if self.variant else ""

    def _spellings(self, infix: str) -> Iterator[str]:
        # diffusers looks for the index of several files first, transformers for the one file.
        for ending in (_SAFE, _PICKLED) if self.allow_pickle else (_SAFE,):
            yield f"diffusion_pytorch_model{ending}.index{infix}.json"
            yield f"diffusion_pytorch_model{infix}{ending}"
            for model in ("model",) if ending == _SAFE else ("pytorch_model", "model"):
                yield f"{model}{infix}{ending}"
                yield f"{model}{ending}.index{infix}.json"
            yield f"adapter_model{infix}{ending}"


def weights_of(model: Path, choice: Choice, names: Collection[str] | None = None) -> list[Path]:
    """The weight files of one model that are read; empty if there are none.

    Parameters
    ----------
    model
        Its folder, with the index if its weights are in several files.
    names
        Of the files in it, if they are not all on this host yet.
    """
    if names is None:
        names = {path.name for path in model.iterdir()} if model.is_dir() else ()
    found = choice.find(names)
    if found is None:
        return []
    if not found.endswith(".json"):
        return [model / found]
    places = (read_object(model / found) or {}).get("weight_map")
    shards = places.values() if isinstance(places, dict) else ()
    return [model / name for name in sorted({str(name) for name in shards})]


def parts(folder: Path, choice: Choice) -> list[str]:
    """The folders of a checkpoint's models, relative to it: its components', or its own."""
    index = read_object(folder / PIPELINE) if choice.standard == PIPELINE else None
    if index is None:
        return [""]
    return [
        name
        for name, value in index.items()
        if isinstance(value, list) and value and value[0] is not None
    ]


def loaded(folder: Path, choice: Choice, names: Collection[str] | None = None) -> list[Path]:
    """The weight files of a checkpoint that are loaded, there or not.

    Parameters
    ----------
    names
        Of all files of the repository, if they are not all on this host yet.
    """
    if not choice.standard:
        if names is None:
            return files.find(folder, f"*{_SAFE}") or files.pickled(folder)
        endings = (_SAFE, *files.PICKLED) if choice.allow_pickle else (_SAFE,)
        return sorted(folder / name for name in names if name.endswith(endings))
    found = []
    for part in parts(folder, choice):
        prefix = f"{part}/" if part else ""
        own = None if names is None else {
            name.removeprefix(prefix) for name in names if name.startswith(prefix)
        }  # fmt: skip
        found += weights_of(folder / part, choice, own)
    return sorted(found)


def read_object(path: Path) -> dict[str, Any] | None:
    """A file's JSON object; None if there is no such file, or no object in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
