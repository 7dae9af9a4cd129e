"""Editors: what turns a source picture and an instruction into an edited picture.

A new kind of editor is a class with ``edit`` and an entry in :data:`KINDS`; your own class needs
neither, only ``class_path`` in the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from edit_benchmark.checkpoints.resolve import Checkpoint, file_fingerprint
from edit_benchmark.class_path import load_class, source_hash
from edit_benchmark.versions import installed


class Editor(Protocol):
    """One loaded model on one device.

    It may have attributes ``details``, a dictionary that is recorded with every picture,
    ``stages``, the seconds of the last picture's stages, and ``compile_seconds``.
    """

    def edit(self, source: Image.Image, instruction: str, seed: int) -> Image.Image:
        """The edited picture.

        Parameters
        ----------
        source
            The source picture, RGB, upright, at its own size.
        instruction
            The edit instruction.
        seed
            0 to 2**32 - 1. Equal arguments give equal pixels, whatever was edited before.

        Returns
        -------
        PIL.Image.Image
            RGB, of any size.

        Raises
        ------
        SampleError
            If this sample cannot be edited; SkipSample if the model cannot take such a sample.
        """
        ...


# What a kind of editor is called with; the rest of a model's settings does not change its pictures.
_IDENTITY = {
    "identity": (),
    "diffusers": (
        "dtype",
        "num_inference_steps",
        "true_cfg_scale",
        "negative_prompt",
        "height",
        "width",
        "call",
        "exact",
    ),
    "class_path": ("class_path", "params", "dtype"),
}
#: Settings that make a faster model that is not the model, in the order in which tables name them.
APPROXIMATIONS = ("lora", "fp8", "block_cache")
# Raised when our own code changes what an editor produces from the same settings.
_PROTOCOL = {"identity": 1, "diffusers": 2, "class_path": 1}
_LIBRARIES = {"identity": (), "diffusers": ("torch", "diffusers", "transformers"), "class_path": ()}


def facts(settings: Mapping[str, Any], checkpoint: Checkpoint | None) -> dict[str, Any]:
    """Everything about a model that determines its pictures: the model's part of an edit's key."""
    kind = settings["editor"]
    result: dict[str, Any] = {
        "editor": kind,
        "protocol": _PROTOCOL[kind],
        "checkpoint": checkpoint.identity if checkpoint else None,
        "versions": installed(*_LIBRARIES[kind]),
    }
    result |= {name: settings[name] for name in _IDENTITY[kind]}
    result |= {name: settings[name] for name in approximations(settings)}
    if settings.get("lora"):
        path = Path(settings["lora"]["path"]).expanduser()
        # The adapter is what is in the file, wherever it lies.
        result["lora"] = {**settings["lora"], "path": None, "fingerprint": file_fingerprint(path)}
    if kind == "class_path":
        result["source_hash"] = source_hash(settings["class_path"])
    return result


def approximations(settings: Mapping[str, Any]) -> list[str]:
    """The approximations that a model's settings ask for."""
    return [name for name in APPROXIMATIONS if settings.get(name)]


def build(settings: Mapping[str, Any], checkpoint: Checkpoint | None, device: str) -> Editor:
    """Load the model that ``settings`` describe onto ``device`` (``cuda`` or ``cpu``)."""
    return KINDS[settings["editor"]](settings, checkpoint, device)


def import_libraries(settings: Mapping[str, Any], checkpoint: Checkpoint | None) -> None:
    """Import what :func:`build` will need, which takes seconds and no device."""
    if settings["editor"] == "diffusers" and checkpoint is not None:
        from edit_benchmark.checkpoints import loading as weights
        from edit_benchmark.editing import diffusers_pipeline as diffusers_editor  # noqa: F401  it imports what its pictures take

        weights.import_classes(Path(checkpoint.path))


def _build_identity(
    settings: Mapping[str, Any], checkpoint: Checkpoint | None, device: str
) -> Editor:
    from edit_benchmark.editing.identity import IdentityEditor

    return IdentityEditor()


def _build_diffusers(
    settings: Mapping[str, Any], checkpoint: Checkpoint | None, device: str
) -> Editor:
    from edit_benchmark.checkpoints.loading import Ahead, worth_reading

    assert checkpoint is not None
    # Importing diffusers and transformers takes longer than reading 54 GiB beside it.
    ahead = Ahead(worth_reading(Path(checkpoint.path)), settings, device)

    from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor

    return DiffusersEditor(settings, checkpoint, device, ahead)


def _build_own(settings: Mapping[str, Any], checkpoint: Checkpoint | None, device: str) -> Editor:
    own = load_class(settings["class_path"], "edit")
    path = checkpoint.path if checkpoint else None
    editor: Editor = own(
        checkpoint=path, dtype=settings["dtype"], device=device, **settings["params"]
    )
    return editor


KINDS: dict[str, Callable[[Mapping[str, Any], Checkpoint | None, str], Editor]] = {
    "identity": _build_identity,
    "diffusers": _build_diffusers,
    "class_path": _build_own,
}
#: Kinds that compute nothing: their jobs take no device.
DEVICE_FREE = frozenset({"identity"})
