"""A second person gets what the first one has."""

from __future__ import annotations

from dataclasses import replace

from demo.world.dice import Dice
from demo.world.draft import Draft
from demo.world.palette import COLOURS, HAIRS, ROOMS, SKINS
from demo.world.people import ITEMS
from demo.world.state import State, Thing
from demo.world.toys import FLOOR
from demo.world.words import COLOUR_WORDS, THREE, TWO, Reference, Text, listed, one

SHAPES = tuple(ITEMS)
PLACES = THREE
_ASKED = (
    Text("Give {who} {item} too, just like that of {first}.", "也给{who}{item}，和{first}的一样。"),
    Text("{first} has {item}. Let {who} have the same.", "{first}有{item}，让{who}也有同样的。"),
)


def draft(dice: Dice, colour: str, shape: str, place: str) -> Draft:
    """``colour`` and ``shape`` are the item's, ``place`` that of who gets one."""
    places = THREE if place == "middle" or dice.below(2) else TWO
    people = _people(dice, len(places), colour)
    number = places.index(place)
    first, *others = dice.some([n for n in range(len(people)) if n != number], len(people) - 1)
    source = State("room", dice.below(len(ROOMS)), dice.one((-1, 1)), people)
    source = source.change(first, holds=shape, holds_colour=colour)
    target = source.change(number, holds=shape, holds_colour=colour)
    wrong_colour = dice.one([n for n in COLOURS if n not in (colour, people[number].colour)])
    wrong_shape = dice.one([name for name in SHAPES if name != shape])
    lies = Thing("item", "", _beside(people, number), FLOOR + 22, people[0].size, "", shape, colour)
    who, giver = (_person(dice, people, n) for n in (number, first))
    item = one(colour, shape)
    parts = {"who": who, "first": giver, "item": item}
    return Draft(
        source=source,
        target=target,
        wrong={
            "nothing": source,
            # Of three the third one gets it; of two the second one gets something else.
            "wrong_object": source.change(others[0], holds=shape, holds_colour=colour)
            if others
            else source.change(number, holds=wrong_shape, holds_colour=colour),
            "wrong_place": replace(source, things=(*source.things, lies)),
            "too_much": target.change(first, holds="", holds_colour=""),
            "other_attribute": source.change(number, holds=shape, holds_colour=wrong_colour),
        },
        edit=f"give_{shape}",
        instruction=dice.one(_ASKED).filled(**parts).sentence,
        description=Text(
            "Toy people stand side by side, from left to right {all}; {first} has {item}.",
            "玩具小人并排站着，从左到右：{all}；{first}有{item}。",
        ).filled(all=listed([_dressed(person) for person in people]), **parts),
        rationale=Text(
            "Afterwards both have one: {item} of the same kind and colour for {who}, worn or held "
            "in the same way, while {first} keeps the first one and nobody else changes.",
            "之后两人都有：{who}也有{item}，种类、颜色和戴法或拿法都一样；{first}仍保留原来的，其他人不变。",
        ).filled(**parts),
    )


def _people(dice: Dice, count: int, item_colour: str) -> tuple[Thing, ...]:
    # On a shirt of its colour an item is hard to see.
    shirts = dice.some([name for name in COLOURS if name != item_colour], count)
    spread, margin, size = (84, 43, 27) if count == 3 else (122, 66, 37)
    return tuple(
        Thing(
            kind="person",
            colour=shirt,
            x=margin + spread * slot + dice.between(-3, 3),
            y=FLOOR + 14 + dice.between(-4, 6),
            size=size + dice.between(0, 1),
            form=f"{dice.below(len(SKINS))}{dice.below(len(HAIRS))}",
        )
        for slot, shirt in enumerate(shirts)
    )


def _beside(people: tuple[Thing, ...], number: int) -> int:
    """Between a person and the next one."""
    near = number + 1 if number + 1 < len(people) else number - 1
    return (people[number].x + people[near].x) // 2


def _person(dice: Dice, people: tuple[Thing, ...], number: int) -> Text:
    """``the person on the left`` or ``the person in blue``."""
    if dice.below(2):
        shirt = people[number].colour
        return Text(f"the person in {shirt}", f"穿{COLOUR_WORDS[shirt].zh}衣服的人")
    place = (TWO if len(people) == 2 else THREE)[number]
    chinese = Reference(place, noun="person").said_of(people).zh
    return Text(f"the person {'in' if place == 'middle' else 'on'} the {place}", chinese)


def _dressed(person: Thing) -> Text:
    return Text(f"one in {person.colour}", f"穿{COLOUR_WORDS[person.colour].zh}衣服的")
