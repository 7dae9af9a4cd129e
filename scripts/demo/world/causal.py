"""A candle burns down, ice melts, a balloon bursts; the thing beside it stays."""

from __future__ import annotations

from demo.world.dice import Dice
from demo.world.draft import Draft
from demo.world.palette import COLOURS, ROOMS
from demo.world.state import State, Thing
from demo.world.toys import FLOOR
from demo.world.words import TWO, Text, listed, one, reference

SHAPES = ("candle", "ice", "balloon")
PLACES = TWO
_SIZES = {"candle": (17, 20), "ice": (32, 37), "balloon": (32, 36)}
_BECOMES = {"candle": "burnt", "ice": "melted", "balloon": "burst"}
_ASKED = {
    "candle": (
        Text(
            "{it} has burned for hours and only a short stub is left; show it.",
            "{it}烧了几个小时，只剩一小截，请画出来。",
        ),
        Text("Let {it} burn down to a short stub.", "让{it}烧到只剩一小截。"),
    ),
    "ice": (
        Text("{it} has melted completely; show it.", "{it}完全融化了，请画出来。"),
        Text("Let {it} melt until nothing solid is left.", "让{it}融化到没有固体为止。"),
    ),
    "balloon": (
        Text("{it} has just burst; show it.", "{it}刚刚爆了，请画出来。"),
        Text("Burst {it}.", "把{it}扎破。"),
    ),
}  # fmt: skip
_WHY = {
    "candle": Text(
        "The wax is used up from the top: what is left is a short stub of the same colour on its "
        "plate, with molten wax around it and the flame right above it.",
        "蜡从上往下烧完：盘子上只剩下一小截同色的蜡烛，周围是融化的蜡，火焰就在它上方。",
    ),
    "ice": Text(
        "Ice turns into water: a puddle of the same colour lies on the plate and no block stands "
        "there any more.",
        "冰变成水：盘子里是一滩同样颜色的水，冰块不再立着。",
    ),
    "balloon": Text(
        "Nothing holds the string up any more: it lies on the floor by its weight, among scraps of "
        "the balloon's colour, and nothing is left in the air.",
        "绳子不再被拉起：它落在重物旁的地板上，周围是同样颜色的碎片，空中什么也不剩。",
    ),
}


def draft(dice: Dice, colour: str, shape: str, place: str) -> Draft:
    number = PLACES.index(place)
    other = 1 - number
    colours = [colour, *dice.some([name for name in COLOURS if name != colour], 2)]
    things = []
    for slot in range(2):
        kind = shape if slot == number else dice.one(SHAPES)
        things.append(
            Thing(
                kind=kind,
                colour=colour if slot == number else dice.one(colours),
                x=66 + 124 * slot + dice.between(-6, 6),
                y=FLOOR + dice.between(-4, 12),
                size=dice.between(*_SIZES[kind]),
            )
        )
    source = State("room", dice.below(len(ROOMS)), dice.one((-1, 1)), tuple(things))

    def happened(state: State, which: int) -> State:
        return state.change(which, form=_BECOMES[state.things[which].kind])

    target = happened(source, number)
    wrong_colour = dice.one([name for name in COLOURS if name not in colours])
    it = reference(things, number, dice, are_toys=False).said_of(things)
    return Draft(
        source=source,
        target=target,
        wrong={
            "nothing": source,
            "wrong_object": happened(source, other),
            "wrong_place": target.change(number, x=128),
            "too_much": happened(target, other),
            "other_attribute": target.change(number, colour=wrong_colour),
        },
        edit=_BECOMES[shape],
        instruction=dice.one(_ASKED[shape]).filled(it=it).sentence,
        description=Text(
            "On the floor, from left to right: {all}.", "地板上从左到右有：{all}。"
        ).filled(all=listed([one(thing.colour, thing.kind) for thing in things])),
        rationale=Text(
            "{why} What stands beside it does not change.", "{why}旁边的东西不变。"
        ).filled(why=_WHY[shape]),
    )
