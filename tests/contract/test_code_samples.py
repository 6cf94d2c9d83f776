"""Each code sample of the docs page, run as it is against the demo: it answers as documented."""

import ast
import contextlib
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from fluent_cart.openapi.code_samples import SITE
from tests.contract.test_examples import (
    ADDITIONS,
    DOCUMENTED,
    EXAMPLES,
    FILES,
    INEXACT,
    assert_documented,
    check,
    demo_file,
    fresh_demo,
    server,
    without_new,
)
from tests.contract.test_openapi import SHOWN
from tests.support.openapi import openapi_document

__all__ = ["demo_file", "fresh_demo", "server"]

Run = Callable[[str], str]
STUB = Path(__file__).with_name("wordpress.php")
METHODS = {example["operation"]: example["curl"].split()[2] for example in EXAMPLES}


def run_curl(source: str) -> str:
    return _output(["bash", "-c", f'curl() {{ command curl -s "$@"; }}\n{source}'])


def run_python(source: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, "sample.py", "exec"), {})
    return printed.getvalue()


def run_javascript(source: str) -> str:
    return _output(["node", "--input-type=module", "--eval", source])


def run_php(source: str) -> str:
    program = f"<?php\nrequire '{STUB}';\n{source}\n"
    subprocess.run(["php", "-l"], input=program, capture_output=True, text=True, check=True)
    return _output(["php", "-d", "display_errors=stderr"], program)


def _output(command: list[str], typed: str | None = None) -> str:
    done = subprocess.run(command, input=typed, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


LANGUAGES: dict[str, tuple[str, Run]] = {
    "Shell": ("curl", run_curl),
    "Python": ("", run_python),
    "JavaScript": ("node", run_javascript),
    "PHP": ("php", run_php),
}
MISSING = {language for language, (program, _) in LANGUAGES.items() if program and not shutil.which(program)}


@pytest.fixture(scope="module")
def samples(shared_app: FastAPI) -> dict[str, dict[str, str]]:
    """The samples by operation and language, as the document has them."""
    return {
        operation["operationId"]: {each["lang"]: each["source"] for each in operation["x-codeSamples"]}
        for methods in openapi_document(shared_app)["paths"].values()
        for operation in methods.values()
    }


def test_every_operation_has_a_code_sample_in_each_language(samples: dict[str, dict[str, str]]) -> None:
    assert {tuple(of_operation) for of_operation in samples.values()} == {tuple(LANGUAGES)}
    assert set(samples) == {*DOCUMENTED, *ADDITIONS}


@pytest.mark.server
@pytest.mark.parametrize(
    "language",
    [
        pytest.param(
            language,
            marks=pytest.mark.skipif(
                language in MISSING,
                reason=f"THE {language.upper()} SAMPLES WERE NOT RUN: it is not on this machine",
            ),
        )
        for language in LANGUAGES
    ],
)
@pytest.mark.parametrize("operation", [*DOCUMENTED, *ADDITIONS])
def test_code_sample_returns_the_documented_response(
    operation: str, language: str, samples: dict[str, dict[str, str]], fresh_demo: str
) -> None:
    source = samples[operation][language].replace(SITE, fresh_demo)
    assert SITE not in source
    assert fresh_demo in source
    _, run = LANGUAGES[language]
    printed = run(source)
    if operation in FILES:
        header = SHOWN[operation]["response"]["text/csv"].partition("\r\n")[0]
        assert printed.splitlines()[0] == header
        assert "customer@example.com" in printed
        return
    # Python prints an object of its own.
    answer = ast.literal_eval(printed) if language == "Python" else json.loads(printed)
    if operation in ADDITIONS:
        assert_documented(answer, SHOWN[operation]["response"], operation)
        return
    check(operation, METHODS[operation], answer)
    if operation in INEXACT and METHODS[operation] != "GET":
        # The samples send the whole body that is documented, unlike the documented curls.
        assert without_new(operation, answer) == without_new(operation, DOCUMENTED[operation])
