"""What is heard but not said: ``[Music]``, ``(laughs)``, ``♪ la la ♪``, in the languages that captions come in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SOUNDS: Final = """
    applause applauds applauding music musical laughter laugh laughs laughing chuckle chuckles chuckling giggles
    giggling cheering cheers clapping claps crosstalk silence sigh sighs sighing cough coughs coughing sniffs gasps
    gasping groans beep beeps beeping static jingle ding whoosh sneezes screams screaming
    Musik Applaus Gelächter Beifall Lachen lacht Jubel Stille
    musique applaudissements rires rire acclamations
    música aplausos aplauso risas risa ríe vítores risos risada palmas
    musica applausi applauso risate
    muziek applaus gelach skratt applåder bifald klapsalver musikk musiikki musiikkia naurua aplodeja suosionosoituksia
    muzyka oklaski brawa śmiech hudba potlesk smích zene nevetés muzică aplauze râsete glazba muzika smijeh
    музыка аплодисменты смех музика оплески сміх аплодисменти ръкопляскания
    müzik alk\u0131\u015f alk\u0131\u015flar kahkaha gülme μουσική χειροκροτήματα γέλια
    موسيقى تصفيق ضحك موسیقی تشویق خنده מוזיקה מוסיקה תשואות כפיים צחוק
    संगीत तालियां तालियाँ हंसी हँसी সঙ্গীত
    tertawa tawa ดนตรี เพลง เสียงดนตรี เสียงเพลง เสียงปรบมือ เสียงหัวเราะ
    音楽 拍手 笑い 笑い声 笑 歓声 音乐 音樂 掌声 掌聲 鼓掌 笑声 笑聲 欢呼 歡呼 음악 박수 웃음 웃음소리 환호
"""
_SOUNDS_OF_WORDS: Final = (
    "âm nhạc", "tiếng nhạc", "nhạc", "vỗ tay", "tiếng vỗ tay", "tiếng cười", "tepuk tangan", "음악 소리", "박수 소리",
)  # fmt: skip
_MANNERS: Final = """
    a and all audience background both break crowd dramatic everyone fades gentle group host in in-out intro light
    lightly loud loudly nervous nervously out outro playing plays quiet quietly soft softly swelling the theme
    together upbeat cheerful calm tense ominous
    leise laute sanfte fröhliche spannende ruhige und douce entraînante dramatique de fond du public et le
    de fondo suave alegre dramática tensa animada del do público y e
"""


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)


_SOUND: Final = _any_of([*_SOUNDS.split(), *_SOUNDS_OF_WORDS])
_MANNER: Final = _any_of(_MANNERS.split())
_BETWEEN: Final = r"[\s,、・と]+"
_OPEN, _CLOSE = r"[\[(\uff3b\uff08【]", r"[\])\uff3d\uff09】]"  # the wide ones in Chinese and Japanese
_ONLY_SOUNDS: Final = rf"\s*(?:(?:{_MANNER}){_BETWEEN})*(?:{_SOUND})(?:{_BETWEEN}(?:{_MANNER}|{_SOUND}))*\s*"
_BRACKETED: Final = rf"{_OPEN}{_ONLY_SOUNDS}{_CLOSE}"
_NOTES: Final = "\u2669-\u266c\U0001f3b5\U0001f3b6"
_SUNG: Final = rf"[{_NOTES}][^{_NOTES}]*[{_NOTES}]|^[{_NOTES}].*|[{_NOTES}]"
_NOISE: Final = re.compile(rf"\s?(?:{_SUNG}|{_BRACKETED})\s?([,.;:!?。、](?=\s|\Z))?", re.IGNORECASE)
_WHOLE_IN_BRACKETS: Final = re.compile(r"[\[\uff3b][^\[\]\uff3b\uff3d]{0,80}[\]\uff3d]")
_MAY_BE_NOISE: Final = re.compile(rf"{_OPEN}|[{_NOTES}]")


def without_sounds(text: str) -> str:
    """Remove what is heard but not said from a text with single spaces; the text again where nothing is.

    A text that is one pair of square brackets goes whole, whatever is in it; round brackets go where they
    hold nothing but sounds and their manner, and so do ``♪`` and what is sung between two of them.

    >>> without_sounds("Well (laughs), yes."), without_sounds("[Türen schlagen]"), without_sounds("(I mean it)")
    ('Well, yes.', '', '(I mean it)')
    """
    if not _MAY_BE_NOISE.search(text):
        return text
    if _WHOLE_IN_BRACKETS.fullmatch(text):
        return ""
    return " ".join(_NOISE.sub(lambda noise: noise[1] or " ", text).split())
