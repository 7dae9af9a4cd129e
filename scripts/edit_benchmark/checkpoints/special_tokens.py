"""Instructions reach a model as text, whatever they hold.

An instruction may contain ``<|im_end|>`` or ``<|image_pad|>``. A tokenizer would take these for the
control tokens of its chat template: the turn would end in mid-sentence, or a picture be missing. So
each is replaced by a private-use character before the template is filled, and the tokenizer is
taught to encode that character as the literal text.
"""

from __future__ import annotations

import re
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from edit_benchmark.errors import SampleError

# Plane 15 is for private use: no text in any language has these characters.
_FIRST = 0xF0000


class TextGuard:
    """Keeps the special tokens of ``tokenizer`` out of the texts that are protected by it.

    The tokenizer is changed in place, so that the processor or pipeline that holds it encodes
    protected texts correctly; other texts are encoded as before, to the same tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        # The longest first, so that a token that contains another is found whole.
        self._specials = sorted(set(tokenizer.all_special_tokens) | _added(tokenizer), key=len)[
            ::-1
        ]
        self._pattern = re.compile("|".join(map(re.escape, self._specials)) or r"(?!)")
        _teach(tokenizer, self._specials)

    def protect(self, text: str) -> str:
        """``text`` with each special token replaced by its private-use character.

        Raises
        ------
        SampleError
            If the text holds such private-use characters itself.
        """
        if any(_FIRST <= ord(character) < _FIRST + len(self._specials) for character in text):
            raise SampleError("private_use", "the instruction holds private-use characters")
        return self._pattern.sub(
            lambda match: chr(_FIRST + self._specials.index(match.group())), text
        )

    def holds_special(self, text: str) -> bool:
        """Whether ``text`` contains a special token."""
        return self._pattern.search(text) is not None


def _added(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    return {str(token) for token in tokenizer.get_added_vocab()}


def _teach(tokenizer: PreTrainedTokenizerBase, specials: list[str]) -> None:
    """Make ``tokenizer`` encode the private-use characters of ``specials`` as literal texts."""
    own_class = type(tokenizer)
    last = _FIRST + len(specials) - 1
    split = re.compile(f"([{chr(_FIRST)}-{chr(last)}])")

    def encode(self: PreTrainedTokenizerBase, text: str) -> list[int]:
        ids: list[int] = []
        for part in split.split(text):
            if len(part) == 1 and _FIRST <= ord(part) <= last:
                literal = specials[ord(part) - _FIRST]
                encoded = own_class.__call__(
                    self, literal, add_special_tokens=False, split_special_tokens=True
                )
            else:
                encoded = own_class.__call__(self, part, add_special_tokens=False)
            ids += encoded["input_ids"]
        return ids

    def call(self: PreTrainedTokenizerBase, text: Any = None, **options: Any) -> BatchEncoding:
        texts = [text] if isinstance(text, str) else text
        if not texts or not any(isinstance(one, str) and split.search(one) for one in texts):
            return own_class.__call__(self, text, **options)
        rows = [encode(self, one) for one in texts]
        return self.pad(
            {"input_ids": rows[0] if isinstance(text, str) else rows},
            padding=options.get("padding", False),
            return_tensors=options.get("return_tensors"),
            return_attention_mask=True,
        )

    # A subclass made here, because a call on an instance looks up its class.
    tokenizer.__class__ = type(own_class.__name__, (own_class,), {"__call__": call})
