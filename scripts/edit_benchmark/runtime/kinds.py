"""A kind of editor or judge, described by one object."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.base import Section
from edit_benchmark.results.layout import Layout
from edit_benchmark.runtime.devices import DeviceRequest
from edit_benchmark.versions import installed, overrides

Settings = TypeVar("Settings", bound=Section)
Model = TypeVar("Model")


def _nothing(settings: Any, checkpoint: Checkpoint | None) -> None:
    """There is nothing to import ahead."""


def _no_check(settings: Any, checkpoint: Checkpoint | None) -> None:
    """There is nothing that only the checkpoint shows."""


def _no_more(settings: Any, checkpoint: Checkpoint | None) -> dict[str, Any]:
    return {}


def _no_hashes(settings: Any) -> dict[str, str]:
    return {}


def _no_files(settings: Any) -> str:
    return ""


def _no_former(settings: Any, checkpoint: Checkpoint | None, fields: dict[str, Any]) -> None:
    """Work of before 0.2 is not taken for what this kind makes now."""


#: Libraries whose code makes or reads images, texts and weights.
LIBRARIES = ("torch", "torchvision", "diffusers", "transformers", "tokenizers", "pillow")
_NEW = ("environment", "source_hashes")


def all_libraries(settings: Any) -> tuple[str, ...]:
    """:data:`LIBRARIES`, whatever the settings."""
    return LIBRARIES


def former_fields(
    fields: dict[str, Any], libraries: tuple[str, ...], checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """``fields`` as before 0.2: fewer versions, no environment, another hash of the checkpoint."""
    versions = fields.get("versions", {})
    return {
        **{name: value for name, value in fields.items() if name not in _NEW},
        "versions": {name: versions[name] for name in libraries if name in versions},
        "checkpoint": (checkpoint.commit or checkpoint.fingerprint) if checkpoint else None,
    }


def former_own_fields(
    settings: Any, checkpoint: Checkpoint | None, fields: dict[str, Any]
) -> dict[str, Any]:
    """The fields that a class of the user's own had before 0.2: of its code one module's hash."""
    module = settings.class_path.rpartition(".")[0]
    return {
        **former_fields(fields, (), checkpoint),
        "source_hash": fields["source_hashes"][module],
    }


def own_devices(settings: Any, checkpoint: Checkpoint | None) -> dict[str, Any]:
    """What a class of the user's own makes may depend on how many devices it sees."""
    return {"gpu": settings.gpu} if settings.gpu > 1 else {}


def _builds_nothing(settings: Any, checkpoint: Checkpoint | None, device: str) -> Any:
    raise NotImplementedError("there is nothing to load")


@dataclass(frozen=True)
class Caller:
    """Who asks a server.

    Attributes
    ----------
    section, name
        Where its settings stand in the configuration: ``models`` or ``judges``, and which.
    layout
        Of the results folder.
    at_once
        Requests that it may have under way, None for as many as its settings say.
    budget
        The most that the run may cost, None for no limit.
    devices
        What a server that the run starts is started on.
    """

    section: str
    name: str
    layout: Layout
    devices: DeviceRequest
    at_once: int | None = None
    budget: float | None = None

    @property
    def where(self) -> str:
        """Its key in the configuration."""
        return f"{self.section}.{self.name}"


@dataclass(frozen=True)
class Kind(Generic[Settings, Model]):
    """All that jobs have to know of a kind of editor or judge.

    Attributes
    ----------
    role, name
        What the configuration writes: ``editor: diffusers``.
    protocol
        Raised when our own code changes what the model makes of equal settings.
    key_settings
        Settings that determine what the model makes: they enter the key of its work.
    libraries
        Distributions whose versions enter the key, of given settings.
    build
        Loads the model of the settings from its checkpoint onto a device (``cuda`` or ``cpu``);
        unless the kind is connected, or takes what others made.
    check
        Refuses settings that do not fit the checkpoint, without importing its libraries: a job that
        has something to make asks it before it takes a device.
    import_ahead
        Imports what ``build`` will need, which takes seconds and no device.
    source_hashes
        Hashes of the code that is not ours and has no version, by the module's name.
    more_key_fields
        Further key fields that are made of the settings and the checkpoint.
    former_key_fields
        The model's part of the key that the same work had before 0.2, from the present one; None if
        such work is not the same.
    needs_device
        False for a kind that computes nothing here, or only on the host's cores.
    files
        What tells that files were written, came or went whose content is in the keys of single
        samples; empty for a kind without such.
    connect
        In place of ``build``, of a model behind a server: it can be asked within the context.
    """

    role: Literal["editor", "judge"]
    name: str
    protocol: int
    key_settings: tuple[str, ...]
    libraries: Callable[[Settings], tuple[str, ...]]
    build: Callable[[Settings, Checkpoint | None, str], Model] = _builds_nothing
    check: Callable[[Settings, Checkpoint | None], None] = _no_check
    import_ahead: Callable[[Settings, Checkpoint | None], None] = _nothing
    source_hashes: Callable[[Settings], dict[str, str]] = _no_hashes
    more_key_fields: Callable[[Settings, Checkpoint | None], dict[str, Any]] = _no_more
    former_key_fields: Callable[
        [Settings, Checkpoint | None, dict[str, Any]], dict[str, Any] | None
    ] = _no_former
    needs_device: bool = True
    files: Callable[[Settings], str] = _no_files
    connect: Callable[[Settings, Caller], AbstractContextManager[Model]] | None = None

    def surroundings(self, settings: Settings) -> dict[str, Any]:
        """What besides settings and checkpoint determines what the model makes.

        Versions of libraries, the environment's overrides, and the user's own code: what may have
        changed since a job ran although its inputs and settings have not.
        """
        found = {
            "versions": installed(*self.libraries(settings)),
            # Of what a server computes with, nothing is known here.
            "environment": overrides() if self.connect is None else {},
            "source_hashes": self.source_hashes(settings),
        }
        return {name: value for name, value in found.items() if value}

    def noticed(self, settings: Settings) -> dict[str, Any]:
        """What a run compares with the last one: :meth:`surroundings`, and the files of samples."""
        files = self.files(settings)
        return self.surroundings(settings) | ({"files": files} if files else {})

    def key_fields(self, settings: Settings, checkpoint: Checkpoint | None) -> dict[str, Any]:
        """Everything about a model that determines what it makes: its part of a key.

        Names and values here are hashed into the keys of stored work: another name is another key.
        """
        return {
            self.role: self.name,
            "protocol": self.protocol,
            "checkpoint": checkpoint.identity if checkpoint else None,
            **self.surroundings(settings),
            **settings.model_dump(mode="json", include=set(self.key_settings)),
            **self.more_key_fields(settings, checkpoint),
        }
