# ruff: noqa: RUF001  # other languages' letters are meant
from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.language import Language, language_of

SPOKEN = {
    "en": "so today we are going to talk about how to make sourdough bread at home and why it is really not that hard",
    "de": "also heute reden wir darüber wie man zuhause Sauerteigbrot backt und warum das gar nicht so schwer ist",
    "fr": "alors aujourd'hui on va parler de comment faire du pain au levain à la maison et pourquoi ce n'est pas si dur",
    "es": "bueno hoy vamos a hablar de cómo hacer pan de masa madre en casa y por qué no es tan difícil como parece",
    "pt": "então hoje a gente vai falar sobre como fazer pão de fermentação natural em casa e por que não é tão difícil",
    "it": "allora oggi parliamo di come fare il pane con il lievito madre a casa e perché non è così difficile",
    "nl": "dus vandaag gaan we het hebben over hoe je thuis zuurdesembrood bakt en waarom dat niet zo moeilijk is",
    "sv": "så idag ska vi prata om hur man bakar surdegsbröd hemma och varför det inte är så svårt som man tror",
    "pl": "więc dzisiaj porozmawiamy o tym jak upiec chleb na zakwasie w domu i dlaczego to nie jest takie trudne",
    "tr": "evet bugün evde ekşi mayalı ekmek nasıl yapılır ve neden o kadar zor değil onu konuşacağız",
    "id": "jadi hari ini kita akan bicara tentang cara membuat roti sourdough di rumah dan kenapa itu tidak terlalu sulit",
    "tl": "kaya ngayon pag-uusapan natin kung paano gumawa ng tinapay sa bahay at kung bakit hindi ito ganoon kahirap",
    "vi": "hôm nay chúng ta sẽ nói về cách làm bánh mì men tự nhiên tại nhà và tại sao nó không khó lắm",
    "ru": "итак сегодня мы поговорим о том как испечь хлеб на закваске дома и почему это не так уж сложно",
    "uk": "отже сьогодні ми поговоримо про те як спекти хліб на заквасці вдома і чому це не так вже й складно",
    "hi": "तो आज हम बात करेंगे कि घर पर खट्टी रोटी कैसे बनाते हैं और यह इतना मुश्किल क्यों नहीं है",
    "ar": "اليوم سنتحدث عن كيفية صنع خبز العجين المخمر في المنزل ولماذا ليس الأمر صعبا",
    "he": "אז היום נדבר על איך מכינים לחם מחמצת בבית ולמה זה לא כל כך קשה",
    "ja": "今日は家でサワードウパンを作る方法となぜそれがそんなに難しくないのかについて話します",
    "zh": "今天我们来聊聊怎么在家做酸面包以及为什么其实没有那么难大家可以跟着我一起做",
    "ko": "오늘은 집에서 사워도우 빵을 만드는 방법과 왜 그렇게 어렵지 않은지 이야기해 보겠습니다",
}
ENGLISH = (
    f"{SPOKEN['en']}. First you need flour, water and a little salt, nothing else. Mix them in the evening and leave "
    "them overnight, then fold the dough a few times in the morning. Most people give up because they bake too early: "
    "wait until the dough has nearly doubled, whatever the clock says, and your first loaf will come out well."
)
GERMAN = (
    f"{SPOKEN['de']}. Man braucht nur Mehl, Wasser und ein wenig Salz, sonst nichts. Abends mischt man alles und lässt "
    "den Teig über Nacht stehen, morgens faltet man ihn ein paar Mal. Die meisten geben auf, weil sie zu früh backen: "
    "warte, bis der Teig fast doppelt so groß ist, egal was die Uhr sagt, dann gelingt schon das erste Brot."
)


@pytest.mark.parametrize(("code", "text"), SPOKEN.items())
def test_a_sentence_without_punctuation_is_enough(code: str, text: str) -> None:
    """Speech as a recogniser writes it is told by its ISO 639-1 code."""
    assert language_of(text) == Language(code)


@given(st.text(), st.none() | st.text() | st.sampled_from(["en", "pt-BR", "English", "xx"]))
def test_any_text_has_the_same_answer_twice(text: str, stated: str | None) -> None:
    """Nothing raises, the same text has the same answer, and a language that is stated is kept."""
    found = language_of(text, stated=stated)
    assert found == language_of(text, stated=stated)
    assert found.code == stated or not stated
    assert language_of(text, stated=found.code).code == found.code


@pytest.mark.parametrize(
    "text", ["", "12 45 78", "hello there", "yeah " * 200, "la la la la " * 50, "...", "\ud800"]
)
def test_too_little_to_tell_is_no_language(text: str) -> None:
    """A few words, however often they come, belong to no language."""
    assert language_of(text) == Language(None)


@pytest.mark.parametrize("stated", ["en", "en-US", "en_GB", "EN", "English", "enm", "und"])
def test_a_stated_language_that_may_be_right_is_not_doubted(stated: str) -> None:
    """A tag's region says nothing here, and what is no tag of a known language is left alone."""
    assert language_of(ENGLISH, stated=stated) == Language(stated)


def test_a_stated_language_that_is_wrong_is_kept_and_noted() -> None:
    """The track of a translation that was not made: the note says what it reads as, and what to do."""
    assert language_of(ENGLISH, stated="de-en") == Language(
        "de-en",
        (
            (
                "the file says that its language is de-en, but it reads as en; "
                "export the captions of the language that was spoken, or correct the field"
            ),
        ),
    )


def test_near_languages_are_not_told_apart_in_a_note() -> None:
    """Norwegian read as Danish is no news."""
    danish = (
        "så i dag skal vi snakke om hvordan man bager surdejsbrød derhjemme og hvorfor det ikke er så svært. Man skal "
        "kun bruge mel, vand og lidt salt, og så skal man vente til dejen næsten er blevet dobbelt så stor. De fleste "
        "giver op fordi de bager for tidligt, men hvis du venter længe nok, så lykkes det allerede første gang."
    )
    assert language_of(danish, stated="nb").notes == ()


def test_a_change_of_language_is_noted() -> None:
    """A transcript that begins in one language and ends in another, wherever it is long or short."""
    note = (
        "it begins in one language (en) and ends in another (de); "
        "split it if each is to be searched in its own language"
    )
    assert language_of(f"{ENGLISH} {GERMAN}").notes == (note,)
    assert language_of(" ".join([ENGLISH] * 40 + [GERMAN] * 40), stated="en") == Language("en", (note,))


def test_a_few_words_of_another_language_change_nothing() -> None:
    """A quotation is no change of language."""
    assert language_of(f"{ENGLISH * 3} {SPOKEN['fr']} {ENGLISH * 3}") == Language("en")


def test_detection_is_loaded_when_it_is_needed() -> None:
    """Importing costs nothing for a command that reads no transcript."""
    code = "import sys, ingest.cleaning; sys.exit('gcld3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
