"""A support is taken away: what stood on it, or hung from it, lies on the floor."""

from __future__ import annotations

from dataclasses import replace

from demo.world import toys
from demo.world.dice import Dice
from demo.world.draft import Draft
from demo.world.palette import COLOURS, ROOMS
from demo.world.state import State, Thing
from demo.world.words import NOUNS, TWO, Reference, Text, one, reference

SHAPES = ("ball", "cube", "cone")
PLACES = TWO
_SUPPORTS = {"pillar": 28, "stool": 40, "crate": 43, "string": 2}
_ASKED = (
    Text("Take away {it}.", "把{it}拿走。"),
    Text("Remove {it}; show where everything comes to rest.", "移除{it}，画出一切静止下来的样子。"),
)


def draft(dice: Dice, colour: str, shape: str, place: str) -> Draft:
    number = PLACES.index(place)
    supports, burdens = _pairs(dice, number, colour, shape)
    source = State("room", dice.below(len(ROOMS)), dice.one((-1, 1)), (*burdens, *supports))
    other = 1 - number
    fallen = source.change(number, y=_floor(supports[number], burdens[number]), form="")
    fallen_other = source.change(other, y=_floor(supports[other], burdens[other]), form="")
    wrong_colour = dice.one([name for name in COLOURS if name != colour])
    target = fallen.without(2 + number)
    it, burden = _said(dice, supports, burdens, number)
    lies = (
        Text("hangs from it", "挂在上面")
        if supports[number].kind == "string"
        else Text("stands on it", "放在上面")
    )
    return Draft(
        source=source,
        target=target,
        wrong={
            "nothing": source,
            "wrong_object": fallen_other.without(2 + other),
            "wrong_place": source.change(number, form="air").without(2 + number),
            "too_much": source.without(number, 2 + number),
            "other_attribute": target.change(number, colour=wrong_colour),
        },
        edit=f"remove_{supports[number].kind}",
        instruction=dice.one(_ASKED).filled(it=it).sentence,
        description=Text("{a} on the left, {b} on the right.", "左边，{a}；右边，{b}。")
        .filled(a=_arranged(supports[0], burdens[0]), b=_arranged(supports[1], burdens[1]))
        .sentence,
        rationale=Text(
            "{burden} {lies}: without it, it falls straight down and lies on the floor, with its "
            "shadow there; it neither floats nor changes. The other side stays as it is.",
            "{burden}{lies}：失去它之后，{burden}会垂直落到地板上，影子也在那里；不会悬空，也不会改变。另一侧保持不变。",
        )
        .filled(burden=burden, lies=lies)
        .sentence,
    )


def _pairs(
    dice: Dice, number: int, colour: str, shape: str
) -> tuple[tuple[Thing, ...], tuple[Thing, ...]]:
    """Two supports from the left, and the toys on them."""
    supports, burdens = [], []
    kinds = dice.one((tuple(_SUPPORTS),) * 3 + (("pillar",), ("crate",)))
    for slot in range(2):
        kind = dice.one(kinds)
        size = dice.between(29, 34)
        x, y = 67 + 122 * slot + dice.between(-8, 8), toys.FLOOR + dice.between(-4, 10)
        # A string's foot is where it holds the toy.
        top = dice.between(40, 58)
        support = Thing(kind, "", x, top if kind == "string" else y, _SUPPORTS[kind])
        toy_kind = shape if slot == number else dice.one(SHAPES)
        toy_colour = colour if slot == number else dice.one(tuple(COLOURS))
        toy = Thing(toy_kind, toy_colour, x, 0, size)
        supports.append(support)
        if kind == "string":
            burdens.append(replace(toy, y=top + toys.height(toy), form="air"))
        else:
            burdens.append(replace(toy, y=y - toys.height(support), form="up"))
    return tuple(supports), tuple(burdens)


def _floor(support: Thing, burden: Thing) -> int:
    """Where a toy comes to lie: where its support stood, or below where it hung."""
    return toys.FLOOR if support.kind == "string" else support.y


def _said(
    dice: Dice, supports: tuple[Thing, ...], burdens: tuple[Thing, ...], number: int
) -> tuple[Text, Text]:
    """How the support and the toy on it are referred to."""
    kind = supports[number].kind
    burden = reference(burdens, number, dice).said_of(burdens)
    by_burden = Text("the {noun} under {burden}", "{burden}下面的{noun}")
    if kind == "string":
        by_burden = Text("the string that holds {burden}", "吊着{burden}的绳子")
    by_burden = by_burden.filled(noun=NOUNS[kind], burden=burden)
    own = [
        way
        for way in (Reference(noun=kind), Reference(PLACES[number], noun=kind))
        if way.denotes(supports) == [number]
    ]
    return dice.one((by_burden, own[0].said_of(supports))), burden


def _arranged(support: Thing, burden: Thing) -> Text:
    toy, under = one(burden.colour, burden.kind), one("", support.kind)
    pattern = (
        Text("{toy} on {under}", "{under}上放着{toy}")
        if support.kind != "string"
        else Text("{toy} hanging from {under}", "{under}吊着{toy}")
    )
    return pattern.filled(toy=toy, under=under)
