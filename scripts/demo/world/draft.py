"""What a category's module composes."""

from __future__ import annotations

from dataclasses import dataclass

from demo.world.state import State
from demo.world.words import Text

#: How an edit can be wrong: the kinds that a judge must tell from the right one.
WRONG = ("nothing", "wrong_object", "wrong_place", "too_much", "other_attribute")


@dataclass(frozen=True)
class Draft:
    """States before the edit, after it and after wrong edits, with what is said of them.

    Attributes
    ----------
    source, target
        Before the edit, and after the right one.
    wrong
        After each kind of wrong edit, by the names in ``WRONG``.
    edit
        Which edit of its category it is, e.g. ``recolour``.
    instruction, description, rationale
        Texts of the benchmark: what to do, what the source shows, what makes the edit right.
    """

    source: State
    target: State
    wrong: dict[str, State]
    edit: str
    instruction: Text
    description: Text
    rationale: Text
