"""Check docstrings, comments and documents for words and sentence starts that are hard to read.

``python -m tests.plain_words [FILE ...]`` prints each one with its place and a plainer word, and exits with 1
if there is one. `make lint` and pre-commit run it. The rules are those of "Style" in CONTRIBUTING.md.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "migrations", "benchmarks", "docs", ".github")
# Measured results are written by programs. This file and its test have the words in their rules.
SKIPPED = {"RESULTS.md", "plain_words.py", "test_plain_words.py"}

START = r"(?:^|(?<=[.!?]\s)|(?<=[.!?]\s\s))"
# Pattern, and what to write instead.
RULES = (
    (
        rf"{START}(?:What|Who|Whom|Whose|Whoever|Whatever|Whichever|Which)\b(?![^.?]*\?)",
        "a noun as the subject",
    ),
    (rf"{START}Those (?:that|who|which|of)\b", "a noun as the subject"),
    (r"\banew\b", "again"),
    (r"\bseldom\b", "rarely"),
    (r"\bbesides?\b", "next to, except, in addition to"),
    (r"\bmend(?:s|ed|ing)?\b", "fix, correct"),
    (r"\bbe it\b", "even if"),
    (r"\bheed(?:s|ed)?\b", "use, obey"),
    (r"\bnobody\b", "no user, no process"),
    (r"\bwho(?:m)?ever\b", "anyone who"),
    (r"\bin earnest\b", "really"),
    (r", save\b|\bsave (?:for|those|that|the|in)\b", "except"),
    (r"\b(?:tell|tells|told|telling)\b", "return, print, log, show, distinguish"),
    (r"\b(?:bring|brings|brought|bringing)\b", "import, load, add, move"),
    (r"\bfor ever\b", "without end, never"),
    (r"\b(?:comes?|came|coming) along\b", "be imported, be added"),
    (
        r"(?<![Tt]here\s)\b(?:is|are|was|were) (?:none\b|no (?!longer|more|fewer|less))",
        "is not, does not have",
    ),
)
# In a document a semicolon may separate the items of a list or of a cell.
PYTHON_RULES = ((r";(?=\s)", "two sentences, or because, so, if, unless, but"),)


class Text(NamedTuple):
    """A paragraph, with the number of its first line."""

    line: int
    text: str


class Finding(NamedTuple):
    """A word to replace."""

    path: Path
    line: int
    word: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.word!r}. Write: {self.advice}"


def find(path: Path, text: str) -> Iterator[Finding]:
    """Yield the findings in the prose of a file."""
    is_python = path.suffix == ".py"
    for paragraph in (python_prose if is_python else markdown_prose)(text):
        words = re.sub(
            r"(`+).+?\1|\"[^\"\n]*\"", lambda code: "x" * len(code[0]), paragraph.text, flags=re.DOTALL
        )
        for pattern, advice in (*RULES, *(PYTHON_RULES if is_python else ())):
            for match in re.finditer(pattern, words, re.IGNORECASE if pattern.startswith(r"\b") else 0):
                line = paragraph.line + words.count("\n", 0, match.start())
                yield Finding(path, line, match[0].strip(), advice)


def python_prose(source: str) -> Iterator[Text]:
    """Yield docstrings and comments. Comments on neighbouring lines are one paragraph."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            yield from paragraphs(node.lineno, node.value.value)
    block: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("# ")
            if block and block[-1][0] != line - 1:
                yield Text(block[0][0], "\n".join(each for _, each in block))
                block = []
            block.append((line, text))
    if block:
        yield Text(block[0][0], "\n".join(each for _, each in block))


def markdown_prose(source: str) -> Iterator[Text]:
    """Yield paragraphs, rows of tables and items of lists, without blocks of code."""
    without_code = re.sub(
        r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), source, flags=re.DOTALL | re.MULTILINE
    )
    for paragraph in paragraphs(1, without_code):
        line = paragraph.line
        for part in re.split(r"(?<=\n)(?=\s*(?:[-*|#]|\d+\.)\s)", paragraph.text):
            yield Text(line, re.sub(r"^\s*(?:[-*|#]+|\d+\.)\s+", "", part))
            line += part.count("\n")


def paragraphs(line: int, text: str) -> Iterator[Text]:
    """Yield the parts of a text between blank lines, without indentation."""
    for part in re.split(r"(\n\s*\n)", text):
        if part.strip():
            yield Text(
                line + part[: len(part) - len(part.lstrip())].count("\n"),
                re.sub(r"\n\s*", "\n", part.strip()),
            )
        line += part.count("\n")


def all_files() -> Iterator[Path]:
    """Yield the files with prose of ours."""
    yield from ROOT.glob("*.md")
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))
        yield from sorted((ROOT / folder).rglob("*.md"))


def main(arguments: Iterable[str]) -> int:
    """Print the findings in files, or in all files, and return 1 if there are any."""
    files = [Path(name) for name in arguments] or list(all_files())
    findings = [
        finding
        for path in files
        if path.name not in SKIPPED and path.suffix in {".py", ".md"}
        for finding in find(path, path.read_text("utf-8"))
    ]
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
