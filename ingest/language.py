"""Which language a transcript is in: detected where the file does not say, checked where it does.

CLD3, a small neural network of Google's, reads at most 2,000 letters from several places, in a millisecond or two.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from gcld3 import NNetLanguageIdentifier

_PLACES: Final = 8
_LETTERS_A_PLACE: Final = 250
# of UTF-8, so that the 20 characters of a Japanese line weigh what 60 Latin letters do
_ENOUGH_BYTES: Final = 60
_CERTAIN_BYTES: Final = 240
_CERTAIN: Final = 0.95

_NOT_LETTERS: Final = re.compile(r"[\W\d_]+")
_TAG: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_].*)?")
_NEW_NAMES: Final = {
    "iw": "he",
    "fil": "tl",
    "in": "id",
    "ji": "yi",
    "nb": "no",
    "nn": "no",
    "cmn": "zh",
    "jw": "jv",
}
# the languages that CLD3 tells apart; of the rest it knows nothing, so a file that states one is not doubted
_CODES: Final = """
    af am ar az be bg bn bs ca co cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr ht hu hy id ig
    is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny pa pl ps pt ro ru sd si sk
    sl sm sn so sq sr st su sv sw ta te tg th tl tr uk ur uz vi xh yi yo zh zu
"""
_KNOWN: Final = frozenset(_CODES.split())
# near enough for one to be taken for the other
_KIN: Final = tuple(
    frozenset(kin.split()) for kin in ("da no", "id ms jv su", "bs hr sr", "cs sk", "gl pt", "bg mk")
)


class Language(NamedTuple):
    """A transcript's language: ISO 639-1 where it was detected, else as stated; None where nobody knows."""

    code: str | None
    notes: tuple[str, ...] = ()


class _Guess(NamedTuple):
    code: str
    is_certain: bool


def language_of(text: str, *, stated: str | None = None) -> Language:
    """Detect the language of ``text``; what the file states is kept, and doubted in a note if certain.

    None for text whose distinct words have less than 60 bytes, or of no language that is told with confidence.
    The same text always gives the same answer. Where the text begins and ends in different languages a note says so.

    >>> language_of("So today we are going to talk about how to make sourdough bread at home, step by step.")
    Language(code='en', notes=())
    """
    sample = _sample(text)
    middle = len(sample) // 2
    first, second = _guess(sample[:middle]), _guess(sample[middle:])
    whole = first if first and first.is_certain and first == second else _guess(sample)
    code = stated or (whole.code if whole else None)
    if (
        first
        and second
        and first.is_certain
        and second.is_certain
        and not _may_be_one(first.code, second.code)
    ):
        note = (
            f"it begins in one language ({first.code}) and ends in another ({second.code}); "
            "split it if each is to be searched in its own language"
        )
        return Language(code, (note,))
    if stated and whole and whole.is_certain and not _may_be_one(_primary(stated), whole.code):
        note = (
            f"the file says that its language is {stated}, but it reads as {whole.code}; "
            "export the captions of the language that was spoken, or correct the field"
        )
        return Language(code, (note,))
    return Language(code)


def _sample(text: str) -> str:
    """Take some letters from each of several places that lie evenly in a long text, its end among them."""
    if len(text) <= _PLACES * _LETTERS_A_PLACE:
        return text
    last = len(text) - _LETTERS_A_PLACE
    starts = (last * place // (_PLACES - 1) for place in range(_PLACES))
    return " ".join(text[start : start + _LETTERS_A_PLACE] for start in starts)


def _guess(text: str) -> _Guess | None:
    size = len("".join(set(_NOT_LETTERS.split(text.casefold()))).encode("utf-8", "ignore"))
    if size < _ENOUGH_BYTES:
        return None
    found = _detector().FindLanguage(text=text.encode("utf-8", "replace").decode())
    code = _NEW_NAMES.get(found.language, found.language)
    if not found.is_reliable or code not in _KNOWN:  # spellings in Latin letters (ja-Latn) are mostly noise
        return None
    return _Guess(code, is_certain=size >= _CERTAIN_BYTES and found.probability >= _CERTAIN)


def _primary(stated: str) -> str | None:
    """The language of a tag such as ``en``, ``pt-BR`` or ``iw``; None for all that is no tag."""
    tag = _TAG.fullmatch(stated.strip())
    return _NEW_NAMES.get(tag[1].lower(), tag[1].lower()) if tag else None


def _may_be_one(code: str | None, other: str) -> bool:
    """Tell whether two languages are the same, hardly told apart, or one of them not known."""
    return code == other or code not in _KNOWN or any({code, other} <= kin for kin in _KIN)


@functools.cache
def _detector() -> NNetLanguageIdentifier:
    from gcld3 import NNetLanguageIdentifier  # noqa: PLC0415  # start-up: most commands read no transcript

    return NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=4 * (_LETTERS_A_PLACE + 1) * _PLACES)
