"""What of a sample an editor can take: some take one source image, some no mask."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from edit_benchmark.dataset.source_images import SourceImages
from edit_benchmark.editing.editor import Editor
from edit_benchmark.errors import SkipSample

# Pipelines for which a list as ``image`` is the images of one edit, and how many they take. To
# others a list is a batch, or they use its first image alone.
_SEVERAL = {
    "BriaFibo2Pipeline": 5,
    "BriaFiboEditPipeline": 10,
    "Flux2KleinKVPipeline": 10,
    "Flux2KleinPipeline": 10,
    "Flux2Pipeline": 10,
    "GlmImagePipeline": 10,
    "QwenImage21Pipeline": 10,
    "QwenImageEditPlusPipeline": 10,
    "ZImageOmniPipeline": 10,
}
# Those that edit the whole image, or a part of it if they are given a mask.
_TAKE_A_MASK = {"BriaFibo2Pipeline", "BriaFiboEditPipeline"}
# What stands in the names of the others with a mask, which do nothing without one.
_INPAINTING = ("Inpaint", "Fill")


@dataclass(frozen=True)
class Capabilities:
    """What a pipeline of diffusers, or a server, takes.

    Attributes
    ----------
    pipeline
        What messages call it: the name of the pipeline's class.
    most_sources, most_with_mask
        Source images of one edit, at most, and of one with a mask; None for no known limit.
    mask
        The argument for a mask, None without one.
    needs_mask
        Whether it edits nothing without a mask.
    """

    pipeline: str
    most_sources: int | None = 1
    mask: str | None = None
    needs_mask: bool = False
    most_with_mask: int | None = 1

    def check(self, sources: int, *, has_mask: bool) -> None:
        """Refuse what would be another edit.

        Parameters
        ----------
        sources
            How many source images the sample has.

        Raises
        ------
        SkipSample
            With what the pipeline cannot take.
        """
        most = self.most_with_mask if has_mask and self.mask else self.most_sources
        if most is not None and sources > most:
            raise SkipSample(
                "several_sources",
                f"{self.pipeline} takes {most} source image{'s' if most > 1 else ''}"
                f"{' with a mask' if most != self.most_sources else ''}, the sample has {sources}",
            )
        if has_mask and self.mask is None:
            raise SkipSample(
                "mask", f"{self.pipeline} takes no mask, without which it is another edit"
            )
        if self.needs_mask and not has_mask:
            raise SkipSample(
                "no_mask", f"{self.pipeline} edits what a mask marks, and the sample has none"
            )


def of_pipeline(name: str) -> Capabilities:
    """The capabilities of the pipeline class ``name``, as diffusers 0.42 has them."""
    most = _SEVERAL.get(name, 1)
    if name in _TAKE_A_MASK:
        return Capabilities(name, most, "mask")
    if any(part in name for part in _INPAINTING):
        return Capabilities(name, most, "mask_image", needs_mask=True)
    return Capabilities(name, most)


def of_dialect(name: str) -> Capabilities:
    """The capabilities of servers that are asked in the dialect ``name``, as they document them.

    What the model behind one takes, the server says itself.
    """
    what = f"a server of dialect {name}"
    # SGLang accepts a mask and ignores it; a chat has no place for one.
    mask = {"openai": "mask", "vllm-omni": "mask_image"}.get(name)
    most = 16 if name == "openai" else None
    return Capabilities(what, most, mask, most_with_mask=most)


def further_arguments(editor: Editor, images: SourceImages) -> dict[str, Any]:
    """Copies of what a sample has beyond one source image, by the parameters of ``edit``.

    Raises
    ------
    SkipSample
        If the editor lacks the parameter: it would make another edit.
    """
    given: dict[str, Any] = {}
    if images.more:
        given["more_sources"] = [image.copy() for image in images.more]
    if images.mask is not None:
        given["mask"] = images.mask.copy()
    if not given:
        return given
    parameters = inspect.signature(editor.edit).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return given
    lacking = [name for name in given if name not in parameters]
    if lacking:
        raise SkipSample(
            "mask" if lacking == ["mask"] else "several_sources",
            f"{type(editor).__name__}.edit has no parameter {' and no '.join(lacking)}, without "
            "which it is another edit",
        )
    return given
