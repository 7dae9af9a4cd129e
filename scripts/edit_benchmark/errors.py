"""Errors that a person can act on."""

from __future__ import annotations

_LONGEST_REASON = 500


class UserError(Exception):
    """Something the user can mend.

    The message is one sentence: what is wrong, where (file, line, sample) and what to do.
    Commands print it without a traceback and exit with 2. It stays one line whatever it quotes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ImageError(UserError):
    """One image cannot be read, or is none that can be used; that of one sample stops no other."""


class SampleError(Exception):
    """One sample could not be edited or judged; the others go on.

    Parameters
    ----------
    kind
        A short word for tables, such as ``out_of_memory`` or ``unparsable_answer``.
    message
        What happened, for the reason column; one line of at most 500 characters.
    """

    def __init__(self, kind: str, message: str) -> None:
        kind, message = _short(kind), _short(message)
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind = kind


class SkipSample(SampleError):
    """An editor declares that it cannot take this sample; it is counted as skipped, not failed."""


def shorten(text: str, limit: int = 100) -> str:
    """``text`` as an error quotes it: of more than ``limit`` characters the middle is left out."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 :]}"


def _short(text: object) -> str:
    """One line of at most 500 characters that any file can hold: a model may say anything."""
    line = " ".join(str(text).split()).encode("utf-8", "replace").decode("utf-8")
    return shorten(line, _LONGEST_REASON)
