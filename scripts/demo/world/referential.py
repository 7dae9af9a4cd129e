"""One of three toys is recoloured, removed or enlarged; the instruction says which."""

from __future__ import annotations

from dataclasses import replace

from demo.world.dice import Dice
from demo.world.draft import Draft
from demo.world.palette import COLOURS, ROOMS
from demo.world.state import State, Thing
from demo.world.toys import FLOOR
from demo.world.words import COLOUR_WORDS, THREE, Text, listed, one, reference

SHAPES = ("ball", "cube", "cone")
PLACES = THREE
_ASKED = {
    "recolour": (
        Text("Make {it} {colour}.", "把{it}变成{colour}色。"),
        Text("Paint {it} {colour}.", "把{it}涂成{colour}色。"),
    ),
    "remove": (
        Text("Remove {it}.", "移除{it}。"),
        Text("Take {it} away.", "把{it}拿走。"),
    ),
    "enlarge": (
        Text("Enlarge {it} to one and a half times its size.", "把{it}放大到原来的一点五倍。"),
        Text("Make {it} half as large again.", "让{it}变大一半。"),
    ),
}
# Half the widths of the three, and so that each can grow by half without touching the others.
_SIZES = ((42, 33, 26), (30, 24, 19))
_DONE = {
    "recolour": Text("turns {colour}", "变成{colour}色"),
    "remove": Text("is gone, and so is its shadow", "连同影子一起消失"),
    "enlarge": Text("grows by half where it stands", "在原地变大一半"),
}


def draft(dice: Dice, colour: str, shape: str, place: str) -> Draft:
    number = PLACES.index(place)
    edit = dice.one(tuple(_ASKED))
    things = _three(dice, number, colour, shape, _SIZES[edit == "enlarge"])
    source = State("room", dice.below(len(ROOMS)), dice.one((-1, 1)), things)
    other = dice.one([n for n in range(3) if n != number])
    # A colour that is there already would make one picture of two different edits.
    there = {thing.colour for thing in things}
    new, wrong_colour = dice.some([name for name in COLOURS if name not in there], 2)

    def edited(state: State, which: int) -> State:
        if edit == "remove":
            return state.without(which)
        if edit == "enlarge":
            return state.change(which, size=state.things[which].size * 3 // 2)
        return state.change(which, colour=new)

    like = _look(things[number])
    unlike = next(n for n in (other, 0, 1, 2) if _look(things[n]) != like)
    swapped = source.change(number, x=things[unlike].x).change(unlike, x=things[number].x)
    attribute = {
        "recolour": source.change(number, colour=wrong_colour),
        "remove": source.change(number, colour=wrong_colour),
        "enlarge": source.change(number, size=things[number].size * 5 // 8),
    }[edit]
    both = edited(edited(source, max(number, other)), min(number, other))
    it = reference(things, number, dice).said_of(things)
    done = _DONE[edit].filled(colour=COLOUR_WORDS[new])
    return Draft(
        source=source,
        target=edited(source, number),
        wrong={
            "nothing": source,
            "wrong_object": edited(source, other),
            "wrong_place": edited(swapped, number),
            "too_much": both,
            "other_attribute": attribute,
        },
        edit=edit,
        instruction=dice.one(_ASKED[edit]).filled(it=it, colour=COLOUR_WORDS[new]),
        description=Text(
            "On the floor, from left to right: {all}.", "地板上从左到右有：{all}。"
        ).filled(all=listed([one(thing.colour, thing.kind) for thing in things])),
        rationale=Text(
            "{it} {done}; the two other toys keep colour, size and place.",
            "{it}{done}；另外两个玩具的颜色、大小和位置都不变。",
        )
        .filled(it=it, done=done)
        .sentence,
    )


def _three(
    dice: Dice, number: int, colour: str, shape: str, sizes: tuple[int, ...]
) -> tuple[Thing, ...]:
    """Three toys from the left, the one that counts among them."""
    things = []
    # Often of one shape or of few colours, so that one word is not enough to tell them apart.
    shapes = dice.one(((shape,), SHAPES, SHAPES))
    colours = [colour, *dice.some([name for name in COLOURS if name != colour], 2)]
    for slot, size in enumerate(dice.some(sizes, 3)):
        things.append(
            Thing(
                kind=shape if slot == number else dice.one(shapes),
                colour=colour if slot == number else dice.one(colours),
                x=44 + 84 * slot + dice.between(-1, 1),
                y=FLOOR + dice.between(-8, 14),
                size=size + dice.between(-1, 1),
            )
        )
    if len({_look(thing) for thing in things}) == 1:
        # One of them has to be told from the others by more than its size.
        things[number - 1] = replace(things[number - 1], colour=colours[1])
    return tuple(things)


def _look(thing: Thing) -> tuple[str, str]:
    return thing.kind, thing.colour
