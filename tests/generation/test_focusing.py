"""The seed's focused prompt: what is essential stays, and what was left out is said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from generation.focusing import create_focused_prompt

CODE = "\n".join(
    f"class Oven{number}:\n    def bake(self, bread):\n        # {'hot ' * 40}\n        return bread\n"
    for number in range(9)
)
PROMPT = f"Rename bake to roast.\n\n```python src/oven.py\n{CODE}\n```\n\nKeep the tests as they are."


def test_the_words_stay_and_code_becomes_its_outline() -> None:
    """The request is there to the letter; every definition is named with its lines; it is much shorter."""
    focused = create_focused_prompt(PROMPT)
    assert focused.startswith("Rename bake to roast.\n\n```python src/oven.py\n")
    assert focused.endswith("\n```\n\nKeep the tests as they are.")
    assert "class Oven3:" in focused
    assert "    def bake(self, bread)" in focused
    assert "lines are shown as this outline" in focused
    assert "hot hot" not in focused
    assert len(focused) < len(PROMPT) / 2


def test_code_of_no_known_language_keeps_its_ends() -> None:
    """Its first and last lines, and how many are gone."""
    lines = "\n".join(f"line {number}" for number in range(40))
    focused = create_focused_prompt(f"Explain.\n~~~\n{lines}\n~~~")
    assert "line 5\n[... 30 lines left out ...]\nline 36" in focused


def test_a_short_prompt_comes_back_as_it_is() -> None:
    """Nothing is left out where nothing is too much, short code included."""
    for prompt in ("Say hello.", "Fix this:\n```python\nx = 1\n```\nThanks.", ""):
        assert create_focused_prompt(prompt) == prompt


def test_long_prose_loses_its_middle() -> None:
    """The beginning and the end say what is wanted."""
    paragraphs = [f"Paragraph {number}." for number in range(30)]
    focused = create_focused_prompt("\n\n".join(paragraphs))
    assert focused.startswith("Paragraph 0.")
    assert focused.endswith("Paragraph 29.")
    assert "[... 22 paragraphs left out ...]" in focused


@given(st.text(alphabet="`~\n ab#.", max_size=400))
def test_any_prompt_can_be_focused(prompt: str) -> None:
    """Nothing raises, and doing it again leaves out nothing that was essential."""
    focused = create_focused_prompt(prompt)
    assert focused == prompt or "[..." in focused
