"""What of the edit pipelines neither a class's signature nor a checkpoint's files tell."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

KONTEXT = "FluxKontextPipeline"
GLM = "GlmImagePipeline"
BRIA = "BriaFiboEditPipeline"
CHRONO = "ChronoEditPipeline"
#: Without a size these stretch every source to one shape.
ONE_SHAPE = {
    KONTEXT: "1024x1024",
    CHRONO: "832x480",
    "StableDiffusionXLInstructPix2PixPipeline": "a square",
}
#: Pixels to which Kontext scales any height and width, keeping their shape (max_area).
KONTEXT_AREA = 1024**2
#: With arguments of these names that do nothing in an edit, or not what they say.
NO_EFFECT = {
    "DreamLitePipeline": {
        "max_sequence_length": "cuts no instruction of an edit, only prompts without an image",
        "text_pad_embedding": "is of no use in an edit",
    },
    "JoyImageEditPipeline": dict.fromkeys(
        ("height", "width"),
        "does not set the size, which is the one of its own sizes near a megapixel that is next to "
        "the source's shape",
    ),
}
#: Arguments that do nothing unless another one is set.
ONLY_WITH = {
    "num_frames": "enable_temporal_reasoning",
    "num_temporal_reasoning_steps": "enable_temporal_reasoning",
}
#: Packages that a pipeline needs and diffusers does not install: they change what it is told.
NEEDS = {CHRONO: "ftfy"}
#: Of colours and alpha. Before 0.2 the alpha was dropped; now it lies on white, as every image's.
TRANSPARENT = {"QwenImage21Pipeline"}
#: The transformer gets guidance_scale as an input; in others it scales a second pass.
GUIDANCE_IS_INPUT = {"Flux2Pipeline"}
#: Guidance of text and image together, by three passes at any scale.
ALWAYS_GUIDED = {"DreamLitePipeline"}
#: Width and height that every pipeline takes as they are.
MULTIPLE = 32


def inputs(
    pipeline: str,
    sources: Sequence[Image.Image],
    prompt: str,
    given: Mapping[str, Any],
    area: int | None,
) -> dict[str, Any]:
    """Source images, instruction and size as the pipeline of that name takes them.

    Parameters
    ----------
    given
        The other arguments of the call.
    area
        Pixels that the edit is to have in the first source's shape; None leaves it to the pipeline.
    """
    size: dict[str, Any] = _size(sources[0], area) if area is not None else {}
    if pipeline == KONTEXT and size:
        size["max_area"] = size["height"] * size["width"]
    elif pipeline == GLM:
        # It takes a list, and of a source only sides that its two encoders divide alike.
        sides = {**given, **size}
        shape = sides["width"], sides["height"]
        scaled = [source.resize(shape, Image.Resampling.LANCZOS) for source in sources]
        return {"image": scaled, "prompt": prompt, **size}
    elif pipeline == BRIA:
        # The key that the pipeline asks for; its authors' own model writes more of them.
        prompt = json.dumps({"edit_instruction": prompt}, ensure_ascii=False)
    image = sources[0] if len(sources) == 1 else list(sources)
    return {"image": image, "prompt": prompt, **size}


def _size(source: Image.Image, area: int) -> dict[str, int]:
    """Height and width of about ``area`` pixels in the source's shape."""
    shape = source.width / source.height
    sides = math.sqrt(area / shape), math.sqrt(area * shape)
    height, width = (max(1, round(side / MULTIPLE)) * MULTIPLE for side in sides)
    return {"height": height, "width": width}
