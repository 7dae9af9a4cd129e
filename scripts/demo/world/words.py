"""What things are called in both languages, and how one of several is referred to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from demo.world.dice import Dice
from demo.world.state import Thing


class Text(NamedTuple):
    """The same in English and in Chinese."""

    en: str
    zh: str

    def filled(self, **parts: Text) -> Text:
        """With ``{name}`` replaced by what ``parts`` say."""
        en = self.en.format(**{name: part.en for name, part in parts.items()})
        return Text(en, self.zh.format(**{name: part.zh for name, part in parts.items()}))

    @property
    def sentence(self) -> Text:
        """Beginning with a capital."""
        return Text(self.en[:1].upper() + self.en[1:], self.zh)


COLOUR_WORDS = {
    "red": Text("red", "红"),
    "yellow": Text("yellow", "黄"),
    "green": Text("green", "绿"),
    "blue": Text("blue", "蓝"),
    "purple": Text("purple", "紫"),
}
NOUNS = {
    "": Text("toy", "玩具"),
    "ball": Text("ball", "球"),
    "cube": Text("cube", "方块"),
    "cone": Text("cone", "圆锥"),
    "pillar": Text("pillar", "石柱"),
    "stool": Text("stool", "凳子"),
    "crate": Text("crate", "木箱"),
    "string": Text("string", "绳子"),
    "candle": Text("candle", "蜡烛"),
    "ice": Text("ice cube", "冰块"),
    "balloon": Text("balloon", "气球"),
    "hat": Text("hat", "帽子"),
    "scarf": Text("scarf", "围巾"),
    "umbrella": Text("umbrella", "雨伞"),
    "person": Text("person", "人"),
    "house": Text("house", "房子"),
    "round": Text("round tree", "圆顶树"),
    "fir": Text("fir tree", "冷杉"),
}
_MEASURES = {
    "pillar": "根", "stool": "张", "string": "根", "candle": "支", "ice": "块", "hat": "顶",
    "scarf": "条", "umbrella": "把", "house": "座", "round": "棵", "fir": "棵",
}  # fmt: skip
# Of two, and of three or more.
_PLACES = {
    "left": (Text("left", "左边"), Text("leftmost", "最左边")),
    "middle": (Text("middle", "中间"), Text("middle", "中间")),
    "right": (Text("right", "右边"), Text("rightmost", "最右边")),
}
_SIZES = {
    "large": (Text("larger", "较大"), Text("largest", "最大")),
    "small": (Text("smaller", "较小"), Text("smallest", "最小")),
}
#: The places of three things, from the left.
THREE = ("left", "middle", "right")
#: The places of two things, from the left.
TWO = ("left", "right")
# From here on a person sees at a glance which of two things is the larger one, in 8ths.
_CLEARLY = 10


@dataclass(frozen=True)
class Reference:
    """How one of several things is referred to; what is empty is not said."""

    place: str = ""
    size: str = ""
    colour: str = ""
    noun: str = ""

    def denotes(self, things: Sequence[Thing]) -> list[int]:
        """The numbers of the things that it fits, none if it makes no sense of them."""
        fitting = [
            number
            for number, thing in enumerate(things)
            if self.colour in ("", thing.colour) and self.noun in ("", thing.kind)
        ]
        if self.place:
            fitting.sort(key=lambda number: things[number].x)
            places = {2: TWO, 3: THREE}.get(len(fitting), ())
            fitting = [n for n, place in zip(fitting, places, strict=False) if place == self.place]
        if self.size:
            fitting = _outstanding(fitting, things, largest=self.size == "large")
        return fitting

    def said_of(self, things: Sequence[Thing]) -> Text:
        """``the leftmost red ball``."""
        many = len(replace(self, place="", size="").denotes(things)) > 2
        english, chinese = ["the"], ""
        for words, key in ((_PLACES, self.place), (_SIZES, self.size)):
            if key:
                english.append(words[key][many].en)
                chinese += words[key][many].zh + "的"
        thing = _coloured(self.colour, self.noun)
        return Text(" ".join([*english, thing.en]), chinese + thing.zh)


def _outstanding(numbers: Sequence[int], things: Sequence[Thing], largest: bool) -> list[int]:
    ordered = sorted(numbers, key=lambda number: things[number].size, reverse=largest)
    if len(ordered) < 2:
        return []
    first, second = (things[number].size for number in ordered[:2])
    return ordered[:1] if max(first, second) * 8 >= min(first, second) * _CLEARLY else []


def reference(things: Sequence[Thing], number: int, dice: Dice, are_toys: bool = True) -> Reference:
    """A way to refer to thing ``number`` that fits no other one and says nothing needless.

    Things that are no toys are called by their name, and their sizes are not compared.
    """
    thing = things[number]
    ways = [
        Reference(place, size, colour, noun)
        for place in ("", *THREE)
        for size in (("", *_SIZES) if are_toys else ("",))
        for colour in ("", thing.colour)
        for noun in (("", thing.kind) if are_toys else (thing.kind,))
        if not (place and size)
    ]
    return dice.one([way for way in ways if _unique(way, things, number)])


def _unique(way: Reference, things: Sequence[Thing], number: int) -> bool:
    shorter = [
        replace(way, **{name: ""}) for name in ("place", "size", "colour") if getattr(way, name)
    ]
    return way.denotes(things) == [number] and not any(
        other.denotes(things) == [number] for other in shorter
    )


def listed(texts: Sequence[Text]) -> Text:
    """``a, b and c``."""
    if len(texts) == 1:
        return texts[0]
    *first, last = texts
    return Text(
        ", ".join(text.en for text in first) + " and " + last.en,
        "、".join(text.zh for text in first) + "和" + last.zh,
    )


def one(colour: str, noun: str) -> Text:
    """``a red ball``."""
    thing = _coloured(colour, noun)
    return Text(f"a {thing.en}", f"一{_MEASURES.get(noun, '个')}{thing.zh}")


def _coloured(colour: str, noun: str) -> Text:
    name = NOUNS[noun]
    if not colour:
        return name
    # 红球, but 红色方块.
    suffix = "色" if len(name.zh) > 1 else ""
    return Text(f"{colour} {name.en}", COLOUR_WORDS[colour].zh + suffix + name.zh)
