"""Write a request of the contract's examples as code in four languages: ``x-codeSamples``."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

# The contract's placeholder. The docs page replaces it by its own address.
SITE = "https://yoursite.com"
LOGIN, PASSWORD = "username", "application_password"


class Sample(NamedTuple):
    """A request. ``body`` is None for no body. The response is JSON or a file."""

    method: str
    url: str
    body: Any
    is_file: bool


def code_samples(method: str, path: str, example: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the samples of an operation. Every id in a path is 1, as in the contract."""
    query = f"?{urlencode(example['query'])}" if "query" in example else ""
    url = SITE + re.sub(r"{\w+}", "1", path) + query
    sample = Sample(method.upper(), url, example["request"], "success" not in example["response"])
    return [
        {"lang": "Shell", "label": "curl", "source": _curl(sample)},
        {"lang": "Python", "label": "Python (httpx)", "source": _python(sample)},
        {"lang": "JavaScript", "label": "JavaScript (fetch)", "source": _javascript(sample)},
        {"lang": "PHP", "label": "PHP (WordPress)", "source": _php(sample)},
    ]


def _curl(sample: Sample) -> str:
    lines = [f"curl -X {sample.method}", f'"{sample.url}"', f'-u "{LOGIN}:{PASSWORD}"']
    if sample.body is not None:
        lines += ['-H "Content-Type: application/json"', f"-d {shlex.quote(_json(sample.body))}"]
    return " \\\n  ".join(lines)


def _python(sample: Sample) -> str:
    body = "" if sample.body is None else f"    json={_indented(_python_value(sample.body), 4)},\n"
    return (
        "import httpx\n\n"
        "response = httpx.request(\n"
        f'    "{sample.method}",\n'
        f'    "{sample.url}",\n'
        f'    auth=("{LOGIN}", "{PASSWORD}"),\n'
        f"{body})\n"
        "response.raise_for_status()\n"
        f"print(response.{'text' if sample.is_file else 'json()'})"
    )


def _javascript(sample: Sample) -> str:
    content_type = body = ""
    if sample.body is not None:
        content_type = '    "Content-Type": "application/json",\n'
        body = f"  body: JSON.stringify({_indented(_json(sample.body), 2)}),\n"
    read = (
        "if (!response.ok) throw new Error(await response.text());\nconsole.log(await response.text());"
        if sample.is_file
        else "const answer = await response.json();\n"
        "if (!response.ok) throw new Error(answer.error.message);\n"
        "console.log(JSON.stringify(answer, null, 2));"
    )
    return (
        f'const response = await fetch("{sample.url}", {{\n'
        f'  method: "{sample.method}",\n'
        "  headers: {\n"
        f'    Authorization: "Basic " + btoa("{LOGIN}:{PASSWORD}"),\n'
        f"{content_type}  }},\n"
        f"{body}}});\n"
        f"{read}"
    )


def _php(sample: Sample) -> str:
    content_type = body = ""
    if sample.body is not None:
        content_type = "        'Content-Type'  => 'application/json',\n"
        body = f"    'body'    => wp_json_encode( {_indented(_php_value(sample.body), 4)} ),\n"
    return (
        f"$response = wp_remote_request( '{sample.url}', array(\n"
        f"    'method'  => '{sample.method}',\n"
        "    'headers' => array(\n"
        f"        'Authorization' => 'Basic ' . base64_encode( '{LOGIN}:{PASSWORD}' ),\n"
        f"{content_type}    ),\n"
        f"{body}) );\n"
        "if ( is_wp_error( $response ) ) {\n"
        "    exit( $response->get_error_message() );\n"
        "}\n"
        "echo wp_remote_retrieve_body( $response );"
    )


def _json(value: Any, spaces: int = 2) -> str:
    text = json.dumps(value, indent=spaces, ensure_ascii=False)
    # Short lists stay on one line, as in the contract.
    return re.sub(r"\[([^][{}]*)\]", lambda members: f"[{' '.join(members[1].split())}]", text)


def _python_value(value: Any) -> str:
    # JSON text is also a Python literal, except for these three words. No example has them within a text.
    words = {"true": "True", "false": "False", "null": "None"}
    return re.sub(r"\b(true|false|null)\b", lambda word: words[word[0]], _json(value, 4))


def _php_value(value: Any) -> str:
    if isinstance(value, dict):
        members = (
            f"    {_php_value(name)} => {_indented(_php_value(each), 4)},\n" for name, each in value.items()
        )
        return f"array(\n{''.join(members)})"
    if isinstance(value, list):
        return f"array( {', '.join(_php_value(each) for each in value)} )"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)


def _indented(text: str, spaces: int) -> str:
    """Return a text whose lines after the first are indented."""
    return text.replace("\n", "\n" + " " * spaces)
