"""The arguments of an edit pipeline's call: which it takes, and which would have no effect.

The class's signature and the checkpoint's files tell; what they do not is in ``pipelines.py``.
Pipelines drop what they do not use with a line in a log at most; here it is refused.
"""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.checkpoints.selection import MODEL, PIPELINE, read_object
from edit_benchmark.config.editors import DiffusersEditorSettings
from edit_benchmark.editing import pipelines, signatures
from edit_benchmark.errors import UserError

log = logging.getLogger(__name__)

# Settings that are arguments of the pipeline's call, unless they are None.
_SETTINGS = {"num_inference_steps", "true_cfg_scale", "negative_prompt", "height", "width"}
# Given by the editor itself. A pipeline's own seed would have no effect beside the generator.
_OWN = {
    "image", "mask", "mask_image", "prompt", "generator", "seed", "output_type", "return_dict",
    "num_images_per_prompt", "num_videos_per_prompt", "callback", "callback_on_step_end",
}  # fmt: skip
# In pixels.
_SIZES = ("height", "width", "max_area")


def check(settings: DiffusersEditorSettings, checkpoint: Checkpoint | None) -> None:
    """Refuse settings that the pipeline would not take or would drop, before it is imported.

    A class that diffusers does not have is looked at once it is loaded.

    Raises
    ------
    UserError
        As of :func:`call_arguments`.
    """
    assert checkpoint is not None
    taken = signatures.parameters(checkpoint.pipeline)
    if taken is not None:
        call_arguments(settings, checkpoint, taken)


def call_arguments(
    settings: DiffusersEditorSettings, checkpoint: Checkpoint, taken: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of the pipeline's call that the settings give.

    Parameters
    ----------
    taken
        The arguments of the pipeline's call and their defaults, see
        :mod:`edit_benchmark.editing.signatures`.

    Raises
    ------
    UserError
        If the pipeline does not take one of them or would drop it, or edits no image.
    """
    call = _Call(checkpoint, taken, _given(settings, checkpoint))
    problem = call.unknown() or call.dropped_guidance() or call.without_effect(settings.area)
    if problem:
        raise UserError(f"checkpoint {checkpoint.name}: {problem}.")
    call.warn(settings.area)
    return dict(call.given)


def _given(settings: DiffusersEditorSettings, checkpoint: Checkpoint) -> dict[str, Any]:
    own = settings.model_dump(include=_SETTINGS, exclude_none=True)
    twice = sorted(name for name in own if name in settings.call)
    if twice:
        raise UserError(
            f"checkpoint {checkpoint.name}: {', '.join(twice)} stands in the model's settings and "
            "in call; remove one of the two."
        )
    return own | settings.call


@dataclass(frozen=True)
class _Call:
    """What is given to a pipeline's call, and what the call takes."""

    checkpoint: Checkpoint
    taken: Mapping[str, Any]
    given: Mapping[str, Any]

    @property
    def pipeline(self) -> str:
        return self.checkpoint.pipeline

    @cached_property
    def index(self) -> dict[str, Any]:
        return read_object(Path(self.checkpoint.path, PIPELINE)) or {}

    def value(self, name: str) -> Any:
        """What the pipeline gets: as given, or its own default."""
        return self.given.get(name, self.taken.get(name))

    def scale(self, name: str) -> float | None:
        """A guidance scale; None if the pipeline has none of that name."""
        value = self.value(name)
        return value if isinstance(value, int | float) else None

    def origin(self, name: str) -> str:
        return "" if name in self.given else " by its own default"

    def unknown(self) -> str:
        """What is given and the pipeline does not take, or is not the user's to give."""
        if "image" not in self.taken:
            return f"its pipeline {self.pipeline} edits no image; it takes {', '.join(self.taken)}"
        if "num_frames" in self.taken and self.pipeline != pipelines.CHRONO:
            return (
                f"its model_index.json names {self.pipeline}, which makes a video and no edit; use "
                "the checkpoint of an edit pipeline"
            )
        package = pipelines.NEEDS.get(self.pipeline)
        if package is not None and importlib.util.find_spec(package) is None:
            return f"{self.pipeline} needs the package {package}; pip install {package}"
        own = sorted(_OWN & set(self.given))
        if own:
            return f"{', '.join(own)} of call is given by the editor itself; remove it"
        unknown = sorted(set(self.given) - set(self.taken))
        if unknown:
            return (
                f"its pipeline {self.pipeline} takes no {', '.join(unknown)}; it takes "
                f"{', '.join(name for name in self.taken if name not in _OWN)}"
            )
        odd = [name for name in _SIZES if not isinstance(self.given.get(name) or 1, int)]
        if odd:
            return f"{', '.join(odd)} of call is no whole number of pixels"
        return ""

    @property
    def has_negative(self) -> bool:
        names = ("negative_prompt", "negative_prompt_embeds")
        return any(self.given.get(name) is not None for name in names)

    @property
    def guidance_is_input(self) -> bool:
        """Whether guidance_scale is an input of the transformer, and no scale of a second pass."""
        return "true_cfg_scale" in self.taken or self.pipeline in pipelines.GUIDANCE_IS_INPUT

    @property
    def is_guided(self) -> bool:
        """Whether there is a second pass, for which a negative prompt is used."""
        if self.pipeline in pipelines.ALWAYS_GUIDED:
            return True
        if "true_cfg_scale" in self.taken:
            return (self.scale("true_cfg_scale") or 0) > 1 and self.has_negative
        text, image = self.scale("guidance_scale") or 0, self.scale("image_guidance_scale")
        return text > 1 and (image is None or image >= 1) and not self.index.get("is_distilled")

    def dropped_guidance(self) -> str:
        """What is wrong with the guidance that is asked for, if the pipeline would drop it."""
        if self.is_guided:
            return ""
        true = self.scale("true_cfg_scale")
        if true is not None and true > 1:
            return (
                f"{self.pipeline} has guidance{self.origin('true_cfg_scale')}, true_cfg_scale "
                f"{true}, and without a negative_prompt it would drop it silently; set "
                'negative_prompt (the usual one is " ") or true_cfg_scale: 1'
            )
        text, image = self.scale("guidance_scale"), self.scale("image_guidance_scale")
        if text is None or self.guidance_is_input:
            return ""
        if image is not None and (text > 1 or image != 1):
            return (
                f"{self.pipeline} has guidance with guidance_scale above 1 and "
                "image_guidance_scale of 1 or more alone, and with "
                f"{text:g}{self.origin('guidance_scale')} and "
                f"{image:g}{self.origin('image_guidance_scale')} it would drop both silently; set "
                "both so in call, or both to 1"
            )
        if text > 1:
            return (
                f"it is a distilled model, and {self.pipeline} would drop the guidance"
                f"{self.origin('guidance_scale')}, guidance_scale {text:g}, silently; set call: "
                "{guidance_scale: 1}"
            )
        return ""

    def without_effect(self, area: int | None) -> str:
        """What is given and would do nothing."""
        for name in self.given:
            why = pipelines.NO_EFFECT.get(self.pipeline, {}).get(name)
            if why:
                return f"{name} of {self.pipeline} {why}; remove it"
            other = pipelines.ONLY_WITH.get(name)
            if other in self.taken and not self.value(str(other)):
                return f"{name} has no effect without {other}: true; remove it or set that"
        return (
            self._unused_guidance()
            or self._unused_steps()
            or self._unused_eta()
            or self._unused_size(area)
        )

    def _unused_guidance(self) -> str:
        """Of guidance_scale as an input of the transformer, which may not have it."""
        config = read_object(Path(self.checkpoint.path, "transformer", MODEL)) or {}
        # 1 is what quick starts write where nothing is meant.
        is_meant = self.given.get("guidance_scale") not in (None, 1)
        has_input = config.get("guidance_embeds") is not False
        if has_input or not is_meant or not self.guidance_is_input:
            return ""
        hint = "true_cfg_scale is its guidance; " if "true_cfg_scale" in self.taken else ""
        return (
            f"guidance_scale has no effect in {self.pipeline} unless the transformer was distilled "
            f"with guidance (guidance_embeds), and this one was not; {hint}remove guidance_scale"
        )

    def _unused_steps(self) -> str:
        if "num_inference_steps" not in self.given:
            return ""
        fixed = [name for name in ("sigmas", "timesteps") if self.given.get(name) is not None]
        if not fixed and self.index.get("sample_sigmas") is not None and "sigmas" in self.taken:
            return (
                "the checkpoint has a schedule of its own (sample_sigmas, "
                f"{len(self.index['sample_sigmas'])} steps), so that num_inference_steps has no "
                "effect; remove it"
            )
        return (
            f"num_inference_steps has no effect beside {fixed[0]}; remove one of the two"
            if fixed
            else ""
        )

    def _unused_eta(self) -> str:
        scheduler = (self.index.get("scheduler") or ["", ""])[-1]
        step = signatures.parameters(scheduler, "step") if self.given.get("eta") else None
        if step is None or "eta" in step:
            return ""
        return f"eta has no effect with the checkpoint's {scheduler}; remove it"

    def _unused_size(self, area: int | None) -> str:
        if area is not None and (
            "height" not in self.taken or "height" in pipelines.NO_EFFECT.get(self.pipeline, {})
        ):
            return f"{self.pipeline} chooses the size by itself, so that area has no effect"
        if area is not None and "max_area" in self.given:
            return "max_area of call and area are the same; remove max_area"
        height, width = self.given.get("height"), self.given.get("width")
        if area is not None and (height or width):
            return "area stands in place of height and width; remove one of the two"
        if self.pipeline == pipelines.GLM and area is None and not (height and width):
            return f"{self.pipeline} needs a size; set area (such as 1048576), or height and width"
        if self.pipeline == pipelines.KONTEXT and height and width:
            most = self.given.get("max_area") or pipelines.KONTEXT_AREA
            made = round(math.sqrt(most * width / height)), round(math.sqrt(most * height / width))
            if max(abs(made[0] - width), abs(made[1] - height)) > pipelines.MULTIPLE:
                return (
                    f"{self.pipeline} would make {made[0]}x{made[1]} of {width}x{height}, since "
                    f"it scales to {most} pixels; set call: {{max_area: {height * width}}}"
                )
        return ""

    def warn(self, area: int | None) -> None:
        """Say what is not wrong but may not be meant."""
        if self.given.get("negative_prompt") is not None and not self.is_guided:
            log.warning("%s has no guidance here, so negative_prompt has no effect", self.pipeline)
        shape = pipelines.ONE_SHAPE.get(self.pipeline)
        if shape and area is None and self.given.get("height") is None:
            log.warning(
                "%s makes %s of every source, whatever its shape; set area to keep the shape",
                self.pipeline,
                shape,
            )
