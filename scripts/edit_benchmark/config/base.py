"""What all sections of the configuration share."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Names = TypeVar("Names", bound=Iterable[str])

CLASS_PATH = r"^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z_][A-Za-z0-9_]*)+$"


def mistake(sentence: str) -> PydanticCustomError:
    """The error that a validator raises; the key and a full stop are put around ``sentence``."""
    # As a value of a template: the sentence quotes what the user wrote, braces included.
    return PydanticCustomError("mistake", "{sentence}", {"sentence": sentence})


def whole_number(value: Any) -> Any:
    """4.0 as 4: equal values are equal, however they are written."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json_object(values: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise mistake(
            f"it holds a value that JSON does not have ({error}); write dates and the like in "
            "quotes"
        ) from None
    return values


# The bounds stand before the validator: those of a JSON schema are the innermost ones.
NotNegative = Annotated[int, Field(ge=0), BeforeValidator(whole_number)]
Positive = Annotated[int, Field(ge=1), BeforeValidator(whole_number)]
#: Height or width of an image.
Pixels = Annotated[int, Field(ge=16), BeforeValidator(whole_number)]
#: Pixels of an image.
Area = Annotated[int, Field(ge=1024), BeforeValidator(whole_number)]
#: Keyword arguments for code that is not ours.
Arguments = Annotated[dict[str, Any], AfterValidator(_json_object)]


def _expanded(path: str) -> str:
    """``~/x`` with the home's name in it."""
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise mistake(f"{path!r} names a home that is not there; write the whole path") from None


def _home_is_there(path: str) -> str:
    _expanded(path)
    return path


def _path(path: str) -> str:
    """A path as rules and commands can name it."""
    path = _expanded(path)
    for problem, is_so in (
        ("holds a brace, which stands for a wildcard in a path", {*"{}"} & {*path}),
        ("holds < or >, which stand for a folder in a path", {*"<>"} & {*path}),
        ("holds a control character", any(unicodedata.category(sign) == "Cc" for sign in path)),
        ("begins with '-', as the options of commands do", path.startswith("-")),
    ):
        if is_so:
            raise mistake(f"{path!r} {problem}; rename it")
    return path


#: A text that is not empty.
Text = Annotated[str, Field(min_length=1)]
#: A path that rules name; that of a home is written out.
PathText = Annotated[str, Field(min_length=1), AfterValidator(_path)]
#: A path that may begin with a home, or another text.
Location = Annotated[str, Field(min_length=1), AfterValidator(_home_is_there)]
#: A number that is neither infinite nor NaN.
Number = Annotated[float, Field(allow_inf_nan=False)]
ClassPath = Annotated[str, Field(pattern=CLASS_PATH)]
Name = Annotated[str, Field(pattern=NAME)]


def distinct(names: Names) -> Names:
    """Names; refuse those of which some file systems would make one."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise mistake(
                f"{other!r} and {name!r} differ in upper and lower case alone, and are one file "
                "on some file systems; rename one"
            )
    return names


class Section(BaseModel):
    """One section of the configuration: unknown keys are refused, values are not converted.

    The text below a field is its description in the schema.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


class ModelSettings(Section):
    """What is set for every model that may have weights: an editor or a judge."""

    checkpoint: Location | None = None
    """A folder in the layout of save_pretrained, or a repository of the Hugging Face hub as
    owner/name."""
    revision: Text | None = None
    """Branch, tag or commit of the hub repository; null for its main branch. The resolved commit is
    recorded."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Floating-point type of the weights and of the arithmetic."""
    allow_pickle: bool = False
    """Accept weights that are not safetensors; loading such files can run any code."""


class PlacedSettings(ModelSettings):
    """What is set for every model that may take several devices."""

    gpu: Positive = 1
    """Devices that the model is placed over, for one that does not fit on one: a pipeline's text
    encoders go where its transformer is not, and a class of one's own sees all of them."""


class PretrainedSettings(ModelSettings):
    """What is set for every model that diffusers or transformers load."""

    variant: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """Variant of the weights, such as fp16 for diffusion_pytorch_model.fp16.safetensors; components
    without such are loaded as they are. null for the weights without a variant."""
