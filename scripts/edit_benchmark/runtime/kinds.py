"""A kind of editor or judge, described by one object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.config.base import Section
from edit_benchmark.versions import installed

Settings = TypeVar("Settings", bound=Section)
Model = TypeVar("Model")


def _nothing(settings: Any, checkpoint: Checkpoint | None) -> None:
    """There is nothing to import ahead."""


def _no_more(settings: Any) -> dict[str, Any]:
    return {}


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
        Distributions whose versions enter the key.
    build
        Loads the model of the settings from its checkpoint onto a device (``cuda`` or ``cpu``).
    import_ahead
        Imports what ``build`` will need, which takes seconds and no device.
    more_key_fields
        Further key fields that are made of the settings.
    needs_device
        False for a kind that computes nothing.
    """

    role: Literal["editor", "judge"]
    name: str
    protocol: int
    key_settings: tuple[str, ...]
    libraries: tuple[str, ...]
    build: Callable[[Settings, Checkpoint | None, str], Model]
    import_ahead: Callable[[Settings, Checkpoint | None], None] = _nothing
    more_key_fields: Callable[[Settings], dict[str, Any]] = _no_more
    needs_device: bool = True

    def key_fields(self, settings: Settings, checkpoint: Checkpoint | None) -> dict[str, Any]:
        """Everything about a model that determines what it makes: its part of a key.

        Names and values here are hashed into the keys of stored work: another name is another key.
        """
        return {
            self.role: self.name,
            "protocol": self.protocol,
            "checkpoint": checkpoint.identity if checkpoint else None,
            "versions": installed(*self.libraries),
            **settings.model_dump(mode="json", include=set(self.key_settings)),
            **self.more_key_fields(settings),
        }
