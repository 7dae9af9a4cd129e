"""Settings of judges: one class for each kind, told apart by ``judge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from edit_benchmark.config import protocols
from edit_benchmark.config.base import (
    Area,
    Arguments,
    ClassPath,
    Location,
    ModelSettings,
    NotNegative,
    Number,
    PathText,
    PlacedSettings,
    Positive,
    PretrainedSettings,
    Section,
    mistake,
    whole_number,
)
from edit_benchmark.config.servers import Served
from edit_benchmark.errors import UserError

#: The rubrics that a configuration names without a path.
RUBRICS = Path(__file__).parents[3] / "resources" / "rubrics"


def rubric_file(rubric: str) -> Path:
    """Where a rubric lies that a configuration names: one of :data:`RUBRICS`, or a path."""
    named = {path.stem: path for path in RUBRICS.glob("*.yaml")}
    return named.get(rubric, Path(rubric))


def _is_unset(value: object) -> bool:
    return value is None


# Where it is not set, settings are written as before there was such a setting: no job of an earlier
# run is done again for a key that says nothing.
Unset = Field(default=None, exclude_if=_is_unset)


# Tokens of an answer where the benchmark's own code sets no limit.
_LONGEST = 2048


def _with_protocol(values: Any) -> Any:
    """Settings with the protocol ``pairwise`` where that method names none."""
    if not isinstance(values, dict):
        return values
    if values.get("method") == "pairwise" and values.get("protocol") is None:
        return {**values, "protocol": "pairwise"}
    return values


def _method_of(values: dict) -> str:
    """The method of settings with a protocol that name none."""
    compares = _compares(protocols.protocol_file(values["protocol"]))
    return "pairwise" if compares else "generated"


def _compares(protocol: Path | None) -> bool:
    """Whether a protocol is one for pairs; what is wrong with its file is said elsewhere."""
    return protocol is not None and protocol.is_file() and protocols.read(protocol).compares


def _check_method(method: str, protocol: Path | None) -> None:
    """Refuse a method that is none of a judge with this protocol, or without one."""
    compares = _compares(protocol)
    if compares and method != "pairwise":
        raise mistake("the protocol compares pairs; set method: pairwise, or remove method")
    if method == "pairwise" and not compares and (protocol is None or protocol.is_file()):
        raise mistake(
            "method: pairwise needs a protocol that compares, such as pairwise; name one, or "
            "remove protocol"
        )


def _official(values: Any) -> protocols.Official | None:
    """How the protocol that settings name has its own judge asked; None without a protocol."""
    if not isinstance(values, dict) or not isinstance(values.get("protocol"), str):
        return None
    path = protocols.protocol_file(values["protocol"])
    try:
        named = protocols.read(path).official if path.is_file() else []
    except UserError as error:
        raise mistake(str(error).removesuffix(".")) from None
    return named[0] if named else protocols.Official(judge="none", temperature=0, max_tokens=256)


class _Judged(Section):
    """What is set for every judge."""

    rubric: PathText = "reasoning"
    """A rubric of resources/rubrics by name, or a path to a rubric file."""
    protocol: PathText | None = Unset
    """In place of a rubric, how a public benchmark has edits judged: a protocol of
    resources/protocols by name (docs/benchmarks.md), or a path to a protocol file."""
    prompts: PathText | None = Unset
    """Folder of the checkout that the protocol's prompts are read from, where they are not in the
    protocol file."""
    batch_size: Positive = 16
    """Images judged in one batch."""
    repeat: NotNegative = 0
    """Another number has an equal judge asked again, under another name: what differs between its
    answers, which the report tells apart from what differs between samples."""
    vary: Literal["order", "paraphrase"] | None = None
    """What a repeat changes: order asks for the criteria in another order, paraphrase takes the
    rubric's paraphrase of the repeat's number. null changes nothing, and a judge that does not
    sample then differs from itself by its arithmetic alone."""

    @model_validator(mode="after")
    def _a_repeat_varies(self) -> _Judged:
        if self.vary and not self.repeat:
            raise mistake(
                f"vary: {self.vary} says what a repeat changes, but repeat is 0; set repeat: 1 in "
                "a second judge that is otherwise equal to the first"
            )
        return self

    @model_validator(mode="after")
    def _a_rubric_or_a_protocol(self) -> _Judged:
        if self.protocol is None:
            if self.prompts is not None:
                raise mistake("prompts is used with a protocol only; name one, or remove it")
        elif self.rubric != "reasoning":
            raise mistake("a protocol stands in place of the rubric; remove one of the two")
        elif self.vary is not None:
            raise mistake(f"vary: {self.vary} changes a rubric, and this judge has a protocol")
        return self

    @property
    def compares(self) -> bool:
        """Whether the judge is shown two models' edits at once, and gives no scores."""
        return _compares(self.protocol_file)

    @property
    def rubric_file(self) -> Path | None:
        """Where the rubric lies; None of a judge with a protocol."""
        return None if self.protocol else rubric_file(self.rubric)

    @property
    def protocol_file(self) -> Path | None:
        """Where the protocol lies, None without one."""
        return protocols.protocol_file(self.protocol) if self.protocol else None

    @property
    def prompts_folder(self) -> Path:
        """Where the protocol's prompts lie: beside it, if it needs no checkout."""
        assert self.protocol_file is not None
        return Path(self.prompts) if self.prompts else self.protocol_file.parent

    @property
    def asked_by(self) -> list[Path]:
        """The files that say what is asked."""
        if self.protocol_file is None:
            return [rubric_file(self.rubric)]
        protocol = protocols.read(self.protocol_file)
        rubrics = [rubric_file(protocol.criteria)] if protocol.criteria else []
        return [self.protocol_file, *rubrics, *protocol.files(self.prompts_folder)]


class TransformersJudgeSettings(PretrainedSettings, _Judged):
    """Any image-text-to-text model of transformers."""

    judge: Literal["transformers"]
    """transformers runs any image-text-to-text model from its checkpoint."""
    # No key: it works on one device.
    gpu: ClassVar[int] = 1
    checkpoint: Location
    """A folder in the layout of save_pretrained, or a repository of the Hugging Face hub as
    owner/name."""
    method: Literal["expected", "generated", "pairwise"] = "expected"
    """expected takes the expected value over the scale's tokens from one forward pass; generated
    takes what the judge would write, greedily. They are different metrics. pairwise gives no
    scores: the judge is shown two models' edits at once, and says which is better or neither."""
    answer: Literal["labels", "text"] = "labels"
    """What the judge writes (generated). labels: the keys are written for it, and it chooses a
    label for each, so that its answer can always be read. text: it writes all of it, and one JSON
    object with the criteria is looked for; what has no plain meaning is counted as failed."""
    # A pipeline that edits at a megapixel rounds each side to a multiple of 32, so that 4:3 becomes
    # 1184 x 896 and 16:9 1376 x 768: up to 16 pixels more a side, a quarter more at any proportion.
    max_pixels: Area = 1_310_720
    """Images above this many pixels are scaled down before the judge sees them. The default leaves
    edits of about one megapixel as they are, whatever their proportions."""
    max_new_tokens: Positive = 256
    """Longest answer, in tokens, with what the judge thinks before it (generated, text)."""
    min_mass: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """The least probability that the judge must put on the scale's tokens together (expected, and
    generated with labels); below it the answer is counted as failed, because the judge wanted to
    say something else. Answers are kept: with another value they are read again, not asked for."""
    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint. Only for checkpoints that you trust."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_protocol_asks(cls, values: Any) -> Any:
        """With a protocol the judge writes its answers, as long as the benchmark's own may be."""
        values = _with_protocol(values)
        official = _official(values)
        if official is None:
            return values
        longest = official.max_tokens or _LONGEST
        method = _method_of(values)
        return {"method": method, "answer": "text", "max_new_tokens": longest, **values}

    @model_validator(mode="after")
    def _a_protocol_is_answered_in_words(self) -> TransformersJudgeSettings:
        _check_method(self.method, self.protocol_file)
        if self.protocol is not None and (self.method == "expected" or self.answer != "text"):
            raise mistake("with a protocol a judge writes its answer; remove method and answer")
        return self

    @model_validator(mode="after")
    def _order_is_seen(self) -> TransformersJudgeSettings:
        if self.vary == "order" and self.method == "expected":
            raise mistake(
                "vary: order changes nothing with method: expected, which asks for each criterion "
                "by itself; use vary: paraphrase, or method: generated"
            )
        return self


class OwnJudgeSettings(PlacedSettings, _Judged):
    """A class of the user's own."""

    judge: Literal["class_path"]
    """class_path runs your own class."""
    class_path: ClassPath
    """Your own class as package.module.Class, importable from the working directory."""
    params: Arguments = {}
    """Keyword arguments of your own class."""


class ServedJudgeSettings(Served, _Judged):
    """A model behind a server of the chat completions API."""

    judge: Literal["openai"]
    """openai asks any server of the chat completions API: OpenAI, vLLM, SGLang, a vendor."""
    method: Literal["expected", "generated", "pairwise"] = "expected"
    """expected takes the expected value over the scale's tokens from the log probabilities of one
    token, generated the text that the judge writes. They are different metrics. pairwise gives no
    scores: the judge is shown two models' edits at once, and says which is better or neither."""
    response_format: Literal["json_schema", "json_object", "text"] = "json_schema"
    """How the server is asked to keep to JSON (generated): json_schema has it write the criteria's
    keys with labels of the scale and nothing else, json_object any JSON, text whatever the judge
    writes, which servers without response_format need. A judge that thinks needs text."""
    top_logprobs: Annotated[int, Field(ge=1, le=1000), BeforeValidator(whole_number)] = 20
    """Log probabilities asked for (expected): as many as the server gives, 20 of most. A label that
    is not among them counts as improbable; how probable it may be is kept with the answer."""
    min_mass: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """The least probability that the listed tokens of the scale must have together (expected);
    below it the answer is counted as failed. Answers are kept: with another value they are read
    again, not asked for."""
    max_tokens: Positive = 256
    """Longest answer, in tokens, with what the judge thinks before it (generated)."""
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The name under which the server takes it: older ones, and transformers serve, want
    max_tokens."""
    temperature: Annotated[Number, Field(ge=0)] | None = 0
    """Of the sampling; null sends none, which models that think want."""
    seed: NotNegative | None = 0
    """Of the sampling, which servers keep to as well as they can; null sends none."""
    max_pixels: Area = 1_310_720
    """Images above this many pixels are scaled down before they are sent."""
    image_format: Literal["png", "jpeg"] = "png"
    """How images are sent: png as they are, jpeg smaller and with losses."""
    jpeg_quality: Annotated[int, Field(ge=1, le=100), BeforeValidator(whole_number)] = 95
    """Quality of images that are sent as JPEG."""
    detail: Literal["low", "high", "auto"] | None = None
    """How closely OpenAI's models look at an image; null says nothing, as other servers want."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_protocol_asks(cls, values: Any) -> Any:
        """With a protocol the server is asked as the benchmark's own judge is."""
        values = _with_protocol(values)
        official = _official(values)
        if official is None:
            return values
        return {
            "method": _method_of(values),
            "response_format": "text",
            "temperature": official.temperature,
            "max_tokens": official.max_tokens or _LONGEST,
            **values,
        }

    @model_validator(mode="after")
    def _a_protocol_is_answered_in_words(self) -> ServedJudgeSettings:
        _check_method(self.method, self.protocol_file)
        if self.protocol is not None and (
            self.method == "expected" or self.response_format == "json_schema"
        ):
            raise mistake(
                "with a protocol a judge writes its answer; remove method and response_format"
            )
        return self

    @model_validator(mode="after")
    def _order_is_asked(self) -> ServedJudgeSettings:
        if self.vary == "order" and self.method == "expected":
            raise mistake(
                "vary: order changes nothing with method: expected, which asks for each criterion "
                "by itself; use vary: paraphrase, or method: generated"
            )
        return self


Measure = Literal["psnr", "ssim", "l1", "clip_i", "clip_t", "dino", "lpips"]
_WITH_WEIGHTS = ("clip_i", "clip_t", "dino", "lpips")


def _is_source(value: object) -> bool:
    return value == "source"


class PixelsJudgeSettings(ModelSettings):
    """Measures between the edit and its source or target image that need no judge."""

    judge: Literal["pixels"]
    """pixels measures how like an edit is to its source or target image, on the host's cores."""
    measures: Annotated[list[Measure], Field(min_length=1)] = ["psnr", "ssim", "l1"]
    """Each becomes a judge of its own, named by both with a hyphen where there are several. psnr
    (in dB, at most 100), ssim and l1 need no checkpoint; clip_i and clip_t take one of CLIP, dino
    one of DINO, lpips a file of weights and its network. clip_t compares the edit with its
    instruction. Of a sample with a mask psnr, ssim and l1 count the pixels outside it. A higher
    value is not better by itself, and of l1 and lpips a lower one is nearer."""
    network: Literal["alex", "vgg", "squeeze"] | None = Unset
    """The network of lpips: AlexNet, VGG16 or SqueezeNet 1.1. Its checkpoint is one file, of the
    weights that torchvision gives out for it (.pth, read without running anything, or
    .safetensors)."""
    against: Literal["source", "target"] = Field(default="source", exclude_if=_is_source)
    """What an edit is compared with: its source image, or the whole of the target image that the
    benchmark has for its sample. A sample without one is skipped."""
    dtype: Literal["bfloat16", "float16", "float32"] = "float32"
    """Floating-point type of the weights and of the arithmetic."""

    batch_size: ClassVar[int] = 8
    rubric_file: ClassVar[None] = None
    protocol_file: ClassVar[None] = None
    compares: ClassVar[bool] = False
    asked_by: ClassVar[list[Path]] = []
    gpu: ClassVar[int] = 0

    @property
    def measure(self) -> Measure:
        """The one measure that is left when a configuration is read."""
        return self.measures[0]

    @property
    def is_of_file(self) -> bool:
        """Whether its checkpoint is one file, and no folder or repository."""
        return "lpips" in self.measures

    @model_validator(mode="after")
    def _measures_and_checkpoint_fit(self) -> PixelsJudgeSettings:
        if len(set(self.measures)) < len(self.measures):
            raise mistake("measures names one twice; name each once")
        for measure in self.measures:
            if (measure in _WITH_WEIGHTS) != (self.checkpoint is not None):
                what = "needs a" if self.checkpoint is None else "takes no"
                raise mistake(
                    f"{measure} {what} checkpoint; psnr, ssim and l1 take none, and clip_i, "
                    "clip_t, dino and lpips stand in judges of their own that name one"
                )
        for measure in ("dino", "lpips"):
            if measure in self.measures and len(self.measures) > 1:
                raise mistake(f"{measure} takes a checkpoint of its own; give it a judge")
        if self.is_of_file != (self.network is not None):
            raise mistake(
                "lpips needs the network that its checkpoint is of; write network: alex, vgg or "
                "squeeze"
                if self.is_of_file
                else "network is that of lpips; remove it"
            )
        if self.is_of_file and self.dtype == "float16":
            # Features are divided by their norms, whose squares are beyond its range.
            raise mistake("lpips has wrong values in float16; use dtype: float32 or bfloat16")
        if self.against == "target" and "clip_t" in self.measures:
            raise mistake(
                "clip_t compares the edit with its instruction and with no image; leave it out, or "
                "give it a judge without against"
            )
        return self


def of_one_measure(judges: Any) -> Any:
    """A configuration's judges, those of several measures replaced by one for each."""
    if not isinstance(judges, dict):
        return judges
    found: dict[Any, Any] = {}
    for name, judge in judges.items():
        parts = {name: judge}
        if isinstance(judge, dict) and judge.get("judge") == "pixels":
            # What is wrong with it is said of the whole.
            measures = PixelsJudgeSettings.model_fields["measures"].get_default()
            measures = judge.get("measures", measures)
            if _can_be_divided(judge) and len(measures) > 1:
                parts = {f"{name}-{each}": judge | {"measures": [each]} for each in measures}
        for part, settings in parts.items():
            if part in found:
                raise mistake(f"two judges are called {part}; rename one of them")
            found[part] = settings
    return found


def _can_be_divided(judge: dict) -> bool:
    try:
        PixelsJudgeSettings.model_validate(judge)
    except ValidationError:
        return False
    return True


#: Judges that are asked by a rubric.
AskedJudgeSettings = TransformersJudgeSettings | OwnJudgeSettings | ServedJudgeSettings
JudgeSettings = Annotated[
    TransformersJudgeSettings | OwnJudgeSettings | PixelsJudgeSettings | ServedJudgeSettings,
    Field(discriminator="judge"),
]
