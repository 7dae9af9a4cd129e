"""Instructions reach a model as text, whatever they contain.

An instruction may contain ``<|im_end|>`` or ``<|image_pad|>``. A tokenizer would take these for the
control tokens of its chat template: the turn would end in mid-sentence, or an image be missing. So
each is replaced by a private-use character before the template is filled, and the tokenizer is
changed to encode that character as the literal text.
"""

from __future__ import annotations

import re
from typing import Any

from transformers import BatchEncoding, PreTrainedTokenizerBase

from edit_benchmark.errors import SampleError

# Plane 15 is for private use: no text in any language has these characters.
_FIRST = 0xF0000


class SpecialTokenGuard:
    """Keeps the special tokens of ``tokenizer`` out of the texts that are protected by it.

    The tokenizer is changed in place, so that the processor or pipeline that holds it encodes
    protected texts correctly; other texts are encoded as before, to the same tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        tokens = set(tokenizer.all_special_tokens) | {
            str(token) for token in tokenizer.get_added_vocab()
        }
        # The longest first, so that a token that contains another is matched whole.
        self._tokens = sorted(tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._tokens)) or r"(?!)")
        _encode_literally(tokenizer, self._tokens)

    def protect(self, text: str) -> str:
        """``text`` with each special token replaced by its private-use character.

        Raises
        ------
        SampleError
            If the text contains such private-use characters itself.
        """
        if any(_FIRST <= ord(character) < _FIRST + len(self._tokens) for character in text):
            raise SampleError("private_use", "the instruction holds private-use characters")
        return self._pattern.sub(
            lambda match: chr(_FIRST + self._tokens.index(match.group())), text
        )


def _encode_literally(tokenizer: PreTrainedTokenizerBase, special_tokens: list[str]) -> None:
    """Make ``tokenizer`` encode each private-use character as the text of its special token."""
    original = type(tokenizer)
    last = _FIRST + len(special_tokens) - 1
    private_use = re.compile(f"([{chr(_FIRST)}-{chr(last)}])")

    def encode(self: PreTrainedTokenizerBase, text: str) -> list[int]:
        ids: list[int] = []
        for part in private_use.split(text):
            if len(part) == 1 and _FIRST <= ord(part) <= last:
                literal = special_tokens[ord(part) - _FIRST]
                encoded = original.__call__(
                    self, literal, add_special_tokens=False, split_special_tokens=True
                )
            else:
                encoded = original.__call__(self, part, add_special_tokens=False)
            ids += encoded["input_ids"]
        return ids

    def call(self: PreTrainedTokenizerBase, text: Any = None, **options: Any) -> BatchEncoding:
        texts = [text] if isinstance(text, str) else text
        if not texts or not any(isinstance(one, str) and private_use.search(one) for one in texts):
            return original.__call__(self, text, **options)
        sequences = [encode(self, one) for one in texts]
        return self.pad(
            {"input_ids": sequences[0] if isinstance(text, str) else sequences},
            padding=options.get("padding", False),
            return_tensors=options.get("return_tensors"),
            return_attention_mask=True,
        )

    # A subclass of its own, because a call on an instance looks up its class.
    tokenizer.__class__ = type(original.__name__, (original,), {"__call__": call})
