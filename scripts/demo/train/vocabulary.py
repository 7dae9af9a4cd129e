"""A byte-pair vocabulary of the world's words, for the released models' tokenizer class."""

from __future__ import annotations

import json
from collections.abc import Iterable

import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from demo.models import SPECIAL

_TOKENS = 4096


def vocabulary(texts: Iterable[str]) -> transformers.Qwen2Tokenizer:
    """The real class with a token for each word and each Chinese character of ``texts``.

    Characters are kept apart, or whole Chinese phrases would become tokens; so are digits, by the
    class itself. Words come with the space before them, as in the released vocabulary.
    """
    whole = Tokenizer(models.BPE())
    whole.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{Han}"), behavior="isolated"),
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=_TOKENS,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    whole.train_from_iterator(sorted(set(texts)), trainer)
    learnt = whole.get_vocab()
    # Ids without gaps and special tokens last, as released.
    ordered = sorted(learnt, key=lambda token: learnt[token])
    merges = _merges(whole)
    return transformers.Qwen2Tokenizer(
        vocab={token: number for number, token in enumerate([*ordered, *SPECIAL])},
        merges=merges,
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL,
    )


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    return [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in found]
