"""Settings of editors: one class for each kind, told apart by ``editor``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from edit_benchmark.config.base import (
    Area,
    Arguments,
    ClassPath,
    Location,
    Name,
    NotNegative,
    Number,
    Pixels,
    PlacedSettings,
    Positive,
    PretrainedSettings,
    Section,
    Text,
    mistake,
)
from edit_benchmark.config.servers import Served

Layouts = Literal["gedit", "imgedit", "rise", "kris", "complex_edit", "unicbench", "gedit_v2", "id"]
#: Settings that make a model another, faster one, in the order in which tables name them.
APPROXIMATIONS = ("lora", "fp8", "block_cache")


_SIZE = re.compile(r"[1-9]\d{1,4}x[1-9]\d{1,4}")


class Lora(Section):
    """A LoRA adapter fused into the weights."""

    path: Location
    """A safetensors file."""
    scale: Number = 1.0
    """How much of it is added to the weights."""
    scheduler: Arguments = {}
    """Values to change in the scheduler's configuration, as the adapter's makers say."""

    @property
    def file(self) -> Path:
        """The adapter's file."""
        return Path(self.path).expanduser()


class _Edited(Section):
    """What a job asks of the settings of every editor; not all of it are keys of every kind."""

    @property
    def approximations(self) -> list[str]:
        """Names of the settings that make the model another, faster one."""
        return []


class IdentityEditorSettings(_Edited):
    """The source image unchanged: the floor that every other editor has to clear."""

    editor: Literal["identity"]
    """identity returns the source image unchanged."""
    # No keys of the configuration: this editor needs neither weights nor a seed.
    checkpoint: ClassVar[None] = None
    seed: ClassVar[int] = 0
    repeats: ClassVar[int] = 1
    gpu: ClassVar[int] = 0


def _preset_or_checkpoint(schema: dict[str, Any]) -> None:
    """A preset stands for the keys that are required without one."""
    required = schema.pop("required")
    schema["anyOf"] = [{"required": required}, {"required": ["preset"]}]


class DiffusersEditorSettings(PretrainedSettings, PlacedSettings, _Edited):
    """Any edit pipeline of diffusers, from its checkpoint."""

    model_config = ConfigDict(json_schema_extra=_preset_or_checkpoint)

    editor: Literal["diffusers"]
    """diffusers runs any edit pipeline from its checkpoint."""
    preset: Name | None = None
    """A released model by the name of its file in resources/models/, whose settings stand for those
    that are left out here; of call for each argument."""
    checkpoint: Location
    """A folder in the layout of save_pretrained, or a repository of the Hugging Face hub as
    owner/name."""
    num_inference_steps: Positive | None = None
    """Sampler steps; null for the pipeline's own default."""
    true_cfg_scale: Annotated[Number, Field(ge=0)] | None = None
    """Classifier-free guidance scale; above 1 it needs a negative_prompt. Null for the pipeline's
    own default."""
    negative_prompt: str | None = None
    """Text of the unconditional pass; a single space is the usual one."""
    height: Pixels | None = None
    """Height of the edited image in pixels; null lets the pipeline choose from the source."""
    width: Pixels | None = None
    """Width of the edited image in pixels; null lets the pipeline choose from the source."""
    area: Area | None = None
    """In place of height and width: about so many pixels in the shape of the source, for pipelines
    that would make one shape of every source; sides are multiples of 32."""
    seed: NotNegative = 0
    """Base seed; each sample's seed is a hash of it, the sample's id and the repeat."""
    repeats: Positive = 1
    """Edits of each sample, each with another seed; a sample's score is their mean. More of them
    later make only those that are missing."""
    call: Arguments = {}
    """Further keyword arguments of the pipeline's call, such as guidance_scale."""
    exact: Literal["numeric", "bitwise"] = "numeric"
    """numeric allows faster arithmetic that is the same mathematics with another rounding; bitwise
    keeps to the bits of the reference implementation."""
    lora: Lora | None = None
    """Approximation, off by default: a LoRA adapter fused into the weights, such as a Lightning one
    for fewer steps (set num_inference_steps and true_cfg_scale to what it was made for)."""
    fp8: bool = False
    """Approximation, off by default: the linear layers of the transformer's blocks in 8 bits."""
    block_cache: Annotated[Number, Field(gt=0)] | None = None
    """Approximation, off by default: blocks are skipped in a step in which the first one's output
    changed by less than this share since the step before (diffusers' First Block Cache, 0.05 to 0.2
    are usual)."""
    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint. Only for checkpoints that you trust."""

    @property
    def approximations(self) -> list[str]:
        """What makes the model another, faster one, in the order in which tables name it."""
        return [name for name in APPROXIMATIONS if getattr(self, name)]

    @model_validator(mode="after")
    def _no_contradiction(self) -> DiffusersEditorSettings:
        guided = self.true_cfg_scale is not None and self.true_cfg_scale > 1
        if guided and self.negative_prompt is None:
            raise mistake(
                f"true_cfg_scale {self.true_cfg_scale} asks for guidance, but without a "
                "negative_prompt the pipeline would drop it silently; set negative_prompt (the "
                'usual one is " ") or true_cfg_scale: 1'
            )
        if self.fp8 and self.exact == "bitwise":
            raise mistake("exact: bitwise and fp8 contradict each other; leave one out")
        if (self.height is None) != (self.width is None):
            raise mistake("height and width go together")
        if self.area is not None and self.height is not None:
            raise mistake("area stands in place of height and width; remove one of the two")
        return self


class OwnEditorSettings(PlacedSettings, _Edited):
    """A class of the user's own."""

    editor: Literal["class_path"]
    """class_path runs your own class."""
    class_path: ClassPath
    """Your own class as package.module.Class, importable from the working directory."""
    params: Arguments = {}
    """Keyword arguments of your own class."""
    seed: NotNegative = 0
    """Base seed; each sample's seed is a hash of it, the sample's id and the repeat."""
    repeats: Positive = 1
    """Edits of each sample, each with another seed; a sample's score is their mean. More of them
    later make only those that are missing."""


class FolderEditorSettings(_Edited):
    """Edits that were made elsewhere, as images in a folder."""

    editor: Literal["folder"]
    """folder takes finished edits from a folder."""
    path: Location
    """The folder of one model in the layout of the benchmark's own scripts; nothing is written
    there."""
    layout: Layouts | None = None
    """Where the images lie in it: as the scripts of the benchmark have them, or id, all in one
    folder by the ids of their samples. Null for the benchmark's own layout, id if it has none."""
    # No keys of the configuration: nothing is made.
    checkpoint: ClassVar[None] = None
    seed: ClassVar[int] = 0
    repeats: ClassVar[int] = 1
    gpu: ClassVar[int] = 0

    @property
    def folder(self) -> Path:
        """The folder with the home's name in it."""
        return Path(self.path).expanduser()


class CandidateEditorSettings(_Edited):
    """One of the two edits that the benchmark itself brings of each sample."""

    editor: Literal["candidate"]
    """candidate stands for a finished edit of the benchmark editreward or editreward_editscore,
    which sets such models itself."""
    candidate: Literal["first", "second"]
    """Which of the two."""
    # No keys of the configuration: nothing is made.
    checkpoint: ClassVar[None] = None
    seed: ClassVar[int] = 0
    repeats: ClassVar[int] = 1
    gpu: ClassVar[int] = 0


#: The models of a benchmark that brings its own edits, as a configuration has them.
CANDIDATES: dict[str, dict[str, Any]] = {
    name: {"editor": "candidate", "candidate": name} for name in ("first", "second")
}
#: Kinds of which nothing is made.
FinishedSettings = FolderEditorSettings | CandidateEditorSettings


def _size(size: str) -> str:
    if size not in ("source", "auto") and not _SIZE.fullmatch(size):
        raise mistake(f"{size!r} is not source, auto, or a size such as 1024x1024")
    return size


# Settings of a server's sampler that OpenAI's own models do not have.
_SAMPLER = ("num_inference_steps", "guidance_scale", "true_cfg_scale", "negative_prompt")


class ServedEditorSettings(Served, _Edited):
    """An editor behind a server of the OpenAI API."""

    editor: Literal["openai"]
    """openai asks a server that edits: OpenAI, SGLang, vLLM-Omni."""
    dialect: Literal["openai", "sglang", "vllm-omni", "vllm-omni-chat"]
    """How the server wants to be asked: OpenAI's /images/edits as OpenAI, SGLang or vLLM-Omni take
    it, or vLLM-Omni's chat completions. OpenAI takes no seed, so that its images are not
    reproducible, which is recorded with each."""
    size: Annotated[Text, AfterValidator(_size)] = "source"
    """Size to ask for, as 1024x1024; source for that of the source image, scaled down to
    max_pixels; auto leaves it to the server. An image of another size than was asked for is no
    edit."""
    max_pixels: Area = 1_310_720
    """With size: source, the most pixels that are asked for."""
    size_multiple: Positive = 16
    """With size: source, sides are rounded down to a multiple of this; servers refuse or change
    others."""
    num_inference_steps: Positive | None = None
    """Sampler steps; null for the server's own default."""
    guidance_scale: Annotated[Number, Field(ge=0)] | None = None
    """Guidance that the model was distilled with; null for the server's own default."""
    true_cfg_scale: Annotated[Number, Field(ge=0)] | None = None
    """Classifier-free guidance scale; null for the server's own default."""
    negative_prompt: str | None = None
    """Text of the unconditional pass; a single space is the usual one."""
    quality: Text | None = None
    """As the server knows it: low, medium or high; null says nothing."""
    seed: NotNegative = 0
    """Base seed; each sample's seed is a hash of it, the sample's id and the repeat."""
    repeats: Positive = 1
    """Edits of each sample, each with another seed; a sample's score is their mean. More of them
    later make only those that are missing."""

    @model_validator(mode="after")
    def _dialect_has_it(self) -> ServedEditorSettings:
        for name in _SAMPLER if self.dialect == "openai" else ():
            if getattr(self, name) is not None:
                raise mistake(
                    f"dialect: openai has no {name}; remove it, or give the dialect of the server "
                    "that has it"
                )
        return self


EditorSettings = Annotated[
    IdentityEditorSettings
    | DiffusersEditorSettings
    | OwnEditorSettings
    | FolderEditorSettings
    | CandidateEditorSettings
    | ServedEditorSettings,
    Field(discriminator="editor"),
]
