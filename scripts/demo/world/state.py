"""What a picture shows, as data: its things and where they are. What is drawn follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Thing:
    """A thing that stands (or hangs, or lies) somewhere.

    Attributes
    ----------
    kind
        What it is, a name of ``draw.DRAWN``.
    colour
        A key of ``palette.COLOURS``; empty if the thing has the colour of its kind.
    x, y
        The middle of its foot, in pixels from the picture's top left corner.
    size
        Half its width, in pixels.
    form
        What has become of it (``burnt``, ``burst``), or of which sort it is (a person's looks).
    holds, holds_colour
        What a person has: a name of ``people.ITEMS``, and its colour.
    """

    kind: str
    colour: str
    x: int
    y: int
    size: int
    form: str = ""
    holds: str = ""
    holds_colour: str = ""


@dataclass(frozen=True)
class State:
    """All that a picture shows.

    Attributes
    ----------
    place
        ``room`` or ``meadow``.
    palette
        Which colours the place has.
    light
        Where the light comes from: -1 left, 1 right.
    weather
        ``day``, ``night``, ``rain`` or ``snow``; in a room always ``day``.
    things
        In the order in which scenes count them; what is nearer covers what is farther.
    """

    place: str
    palette: int
    light: int
    things: tuple[Thing, ...]
    weather: str = "day"

    def change(self, number: int, **fields: object) -> State:
        """The same with other fields of thing ``number``, counted from 0."""
        things = list(self.things)
        things[number] = replace(things[number], **fields)  # type: ignore[arg-type]
        return replace(self, things=tuple(things))

    def without(self, *numbers: int) -> State:
        """The same without some things; what remains keeps its order."""
        return replace(self, things=tuple(t for n, t in enumerate(self.things) if n not in numbers))
