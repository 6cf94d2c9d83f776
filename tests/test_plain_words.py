"""The check of plain words finds them in prose, and nowhere else."""

from pathlib import Path

import pytest

from tests import plain_words


def found(name: str, text: str) -> list[tuple[int, str]]:
    return [(finding.line, finding.word) for finding in plain_words.find(Path(name), text)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("What is stored stays.", "What"),
        ("It works. Whoever asks gets it.", "Whoever"),
        ("Those that fail are kept.", "Those that"),
        ("It is stored anew.", "anew"),
        ("All rows, save the first.", ", save"),
        ("The log tells it.", "tells"),
        ("Nobody waits.", "Nobody"),
        ("It waits for ever.", "for ever"),
        ("Orders come along.", "come along"),
        ("A text that is no number.", "is no"),
        ("Empty filters are none.", "are none"),
    ],
)
def test_hard_word_is_found_in_a_docstring_a_comment_and_a_document(text: str, word: str) -> None:
    assert (1, word) in found("a.py", f'"""{text}"""')
    assert (1, word) in found("a.py", f"# {text}")
    assert (2, word) in found("a.md", f"\n{text}")


@pytest.mark.parametrize(
    "text",
    [
        "What is stored?",
        "`tells` and `What`",
        "Save the file.",
        'The text "told" is searched.',
        "A bringer is new.",
        "There is no number. If there are none, it is None and is no longer used.",
    ],
)
def test_question_code_and_quotation_are_allowed(text: str) -> None:
    assert found("a.md", text) == []
    assert found("a.py", f"# {text}") == []


def test_code_is_not_prose() -> None:
    assert found("a.py", 'tell = "What tells nobody anew"\n') == []
    assert found("a.md", "```sh\nWhat tells nobody anew\n```\n") == []


def test_semicolon_is_found_in_prose_of_python_only() -> None:
    assert found("a.py", '"""Return it; it is new."""') == [(1, ";")]
    assert found("a.py", "# It is old; `a; b` is code.\na = 'b; c'\n") == [(1, ";")]
    assert found("a.md", "| `a`; `b` |") == []


def test_finding_has_the_line_of_its_word() -> None:
    text = '"""A summary.\n\nA second paragraph\nthat tells it.\n"""\n\n# A comment\n# that was told.\n'
    assert found("a.py", text) == [(4, "tells"), (8, "told")]


def test_rows_of_tables_and_items_of_lists_have_a_start() -> None:
    assert found("a.md", "| head |\n|---|\n| What it does |\n- Who may\n") == [(3, "What"), (4, "Who")]


def test_command_exits_with_1_if_there_is_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nIt is done anew.\n")
    assert plain_words.main([str(page)]) == 1
    assert capsys.readouterr().out == f"{page}:3: 'anew'. Write: again\n"
    page.write_text("# Title\n\nIt is done again.\n")
    assert plain_words.main([str(page)]) == 0
