"""A house and a tree on a meadow: night falls, rain or snow comes, the sun changes sides."""

from __future__ import annotations

from dataclasses import replace

from demo.world.dice import Dice
from demo.world.draft import Draft
from demo.world.palette import COLOURS, MEADOWS
from demo.world.state import State, Thing
from demo.world.words import THREE, Text, one

SHAPES = ("round", "fir")
PLACES = THREE
_ASKED = {
    "night": (
        Text("Make it night.", "把时间改成夜晚。"),
        Text("Turn day into night.", "把白天变成黑夜。"),
    ),
    "rain": (
        Text("Let it rain.", "让天下起雨来。"),
        Text("Make it a rainy day.", "把天气改成雨天。"),
    ),
    "snow": (
        Text("Let it snow.", "让天下起雪来。"),
        Text("Make it a snowy winter day.", "把它变成下雪的冬日。"),
    ),
    "light": (
        Text("Move the sun to the {side} side of the sky.", "把太阳移到天空的{side}边。"),
        Text("Let the sun shine from the {side}.", "让阳光从{side}边照过来。"),
    ),
}
_WHY = {
    "night": Text(
        "The sky turns dark with moon and stars, the sun and its long shadows are gone, and the "
        "window of the house is lit.",
        "天空变暗，出现月亮和星星，太阳和长长的影子消失，房子的窗户亮起灯。",
    ),
    "rain": Text(
        "Clouds cover the sky, the sun and its long shadows are gone, the light is dull and rain "
        "falls everywhere.",
        "乌云遮住天空，太阳和长长的影子消失，光线变暗，到处都在下雨。",
    ),
    "snow": Text(
        "Snow lies on the meadow, the roof and the tree, flakes fall everywhere, and the sun and "
        "its long shadows are gone.",
        "草地、屋顶和树上都有积雪，到处飘着雪花，太阳和长长的影子消失。",
    ),
    "light": Text(
        "The sun stands on the {side}, so the shadows of house and tree fall to the other side, "
        "and their {side} sides are the bright ones.",
        "太阳在{side}边，所以房子和树的影子落到另一边，它们朝{side}的一面更亮。",
    ),
}
_SIDES = {-1: Text("left", "左"), 1: Text("right", "右")}


def draft(dice: Dice, colour: str, shape: str, place: str) -> Draft:
    """``colour`` and ``place`` are the house's, ``shape`` is the tree's."""
    edit = dice.one(tuple(_ASKED))
    house_at, tree_at = {
        "left": (80, 190),
        "middle": (128, dice.one((38, 218))),
        "right": (176, 66),
    }[place]
    house = Thing(
        "house",
        colour,
        house_at + dice.between(-6, 6),
        210 + dice.between(-4, 10),
        dice.between(40, 46),
    )
    tree = Thing(
        "tree",
        "",
        tree_at + dice.between(-4, 4),
        200 + dice.between(-4, 12),
        dice.between(32, 38),
        shape,
    )
    source = State("meadow", dice.below(len(MEADOWS)), dice.one((-1, 1)), (house, tree))

    def under(state: State, what: str) -> State:
        return (
            replace(state, light=-state.light) if what == "light" else replace(state, weather=what)
        )

    target = under(source, edit)
    wrong_colour = dice.one([name for name in COLOURS if name != colour])
    other = dice.one([name for name in _ASKED if name not in (edit, "light")])
    # Where neither of the two stood.
    away = 256 - house.x if place != "middle" else house.x + (48 if tree.x < 128 else -48)
    side = _SIDES[-source.light]
    moved = target.change(0, x=away)
    if place != "middle":
        moved = moved.change(1, x=256 - tree.x)
    return Draft(
        source=source,
        target=target,
        wrong={
            "nothing": source,
            "wrong_object": dice.one((source.without(1), source.change(0, colour=wrong_colour))),
            "wrong_place": moved,
            "too_much": dice.one((target.without(1), target.change(0, colour=wrong_colour))),
            "other_attribute": under(source, other),
        },
        edit=edit,
        instruction=dice.one(_ASKED[edit]).filled(side=side),
        description=Text(
            "{house} and {tree} on a meadow by day, the sun on the {side}.",
            "白天的草地上有{house}和{tree}，太阳在{side}边。",
        )
        .filled(house=one(colour, "house"), tree=one("", shape), side=_SIDES[source.light])
        .sentence,
        rationale=Text(
            "{why} House and tree stay where they are and keep their kind.",
            "{why}房子和树的位置与样子不变。",
        ).filled(why=_WHY[edit].filled(side=side)),
    )
