"""The hostile inputs that every operation must survive, and the expected responses."""

import json
from collections.abc import Iterator
from typing import Any

# Eight characters that no text of ours contains. A response with them repeats the input.
MARK = "Qj7zXw9K"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"

# Raw JSON values that are refused wherever they are.
UNREADABLE_VALUES = {
    "NaN": "NaN",
    "Infinity": "Infinity",
    "-Infinity": "-Infinity",
    "1e400": "1e400",
    "-1e400": "-1e400",
    "5000 digits": "9" * 5000,
    "32 levels": "[" * 32 + "]" * 32,
}
# Raw JSON values that no text, id, choice or object may be.
UNSTORABLE = {
    "lone surrogate": f'"{MARK}\\ud800"',
    "lone low surrogate": f'"\\udfff{MARK}"',
    "reversed surrogates": f'"{MARK}\\udc00\\ud800"',
    "NUL": f'"{MARK}\\u0000"',
}
VALUES = UNSTORABLE | {
    "2^53": str(2**53),
    "2^63-1": str(2**63 - 1),
    "2^63": str(2**63),
    "-2^63-1": str(-(2**63) - 1),
    "2^64": str(2**64),
    "500 digits": "9" * 500,
    "1.0": "1.0",
    "-0.0": "-0.0",
    "1e308": "1e308",
    "1e-400": "1e-400",
    "true": "true",
    "null": "null",
    "list": "[]",
    "object": "{}",
    "nested list": "[[[[]]]]",
    "list of objects": f'[{{"{MARK}": "{MARK}"}}]',
    "empty text": '""',
    "text of digits": '"1"',
    "underscore digits": '"1_0"',
    "padded digits": '" 1"',
    "signed digits": '"+1"',
    "arabic digits": '"\u0661"',
    "hexadecimal digits": '"0x10"',
    "3 times as long composed": '"' + "\ufb2c" * 255 + '"',
    "300 letters": f'"{MARK}{"x" * 300}"',
    "100 kB": f'"{MARK}{"x" * 100_000}"',
    # Text that takes long to compose, in the form of an e-mail address.
    "900 kB of accents": f'"{chr(0x301) * 225_000}{chr(0x327) * 225_000}@{MARK}.example"',
    "SQL": f'"{MARK}\'; DROP TABLE users; --"',
    "template": f'"{MARK}{{{{7*7}}}}${{7*7}}%s%n"',
    "path": f'"{MARK}/../../etc/passwd"',
    "markup": f'"{MARK}<script>alert(1)</script>"',
    "formula": f"\"=cmd|' /C {MARK}'!A0\"",
    "line breaks": f'"{MARK}\\r\\nX-Injected: 1"',
    "direction marks": f'"{MARK}\\u202e\\u2066"',
    "invisible": '"\\u200b\\u2060"',
    "astral": f'"{MARK}\\ud83d\\ude00"',
    "noncharacter": f'"{MARK}\\uffff"',
    "sharp s, upper case SS": '"\u00df"',
}

# Values that can cause an error in a database. Other values are rejected before the database, so one database
# is enough.
FOR_DATABASES = {
    label: VALUES[label]
    for label in (
        "lone surrogate", "NUL", "2^63-1", "2^63", "-2^63-1", "2^64", "500 digits", "-0.0",
        "1e308", "3 times as long composed", "300 letters", "SQL", "line breaks", "invisible", "astral",
        "noncharacter",
    )
}  # fmt: skip

# The expected result of each value as an id. 404 stands for "well formed, but there is none".
IDS = {
    "true": 422, "false": 422, "null": 422, "[]": 422, "[1]": 422, "{}": 422, "1.5": 422, "1e-9": 422,
    '""': 422, '"1_0"': 422, '" 1"': 422, '"+1"': 422, '"-1"': 422, '"01"': 422, '"1.0"': 422, '"0x1"': 422,
    '"\u0661"': 422, '"1\\n"': 422, '"1\\u0000"': 422, '"\\ud800"': 422, "0": 422, "-1": 422,
    "9223372036854775808": 422, '"9223372036854775808"': 422, "18446744073709551616": 422, "9" * 23: 422,
    "1": 200, '"1"': 200,
    # Forms of the same number.
    "1.0": 200, "1e0": 200, "1e15": 404, "1e300": 422,
    "9223372036854775807": 404, '"9223372036854775807"': 404,
}  # fmt: skip

# As a path segment: a text is 422, an integer outside the range of ids is 404 (docs/decisions.md#6-ids).
PATH_IDS = {
    "abc": 422, "1_0": 422, "%201": 422, "1%20": 422, "+1": 422, "%2B1": 422, "01": 422, "1.0": 422,
    "1e1": 422, "0x1": 422, "%D9%A1": 422, "%EF%BC%91": 422, "%C2%B9": 422, "%00": 422, "1%00": 422,
    "1%0A": 422, "%ff": 422, "%ED%A0%80": 422, "%zz": 422, "true": 422, "null": 422, "1;a=b": 422, "-": 422,
    MARK: 422,
    "0": 404, "-0": 404, "-1": 404, "9223372036854775807": 404, "9223372036854775808": 404, "9" * 23: 404,
    "-" + "9" * 23: 404,
}  # fmt: skip
# These are other paths altogether, or none.
PATHS_ELSEWHERE = ("..", "1%2F2", "1/2/3", "%2F", "1%5C..", "1//")

DEEP = 100_000
# Body, content type, and the status wanted where it is the same for every operation.
RAW_BODIES: dict[str, tuple[bytes, str, int | None]] = {
    "empty": (b"", JSON, None),
    "blanks": (b" \n", JSON, 400),
    "nested 33": (b'{"a":' * 33 + b"1" + b"}" * 33, JSON, 400),
    "nested 1,000": (b"[" * 1000 + b"]" * 1000, JSON, 400),
    "nested 100,000": (b"[" * DEEP + b"]" * DEEP, JSON, 400),
    "nested objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, JSON, 400),
    "20,000 members": (json.dumps(list(range(20_000))).encode(), JSON, 400),
    "20,000 objects": (b"[" + b"{}," * 20_000 + b"{}]", JSON, 400),
    "invalid UTF-8": (b'{"email": "\xff\xfe@example.com"}', JSON, 400),
    "overlong UTF-8": (b'{"email": "\xc0\xaf"}', JSON, 400),
    "surrogate in UTF-8": (b'{"email": "\xed\xa0\x80"}', JSON, 400),
    "UTF-16": ('{"email": "a@example.com"}'.encode("utf-16"), JSON, 400),
    "UTF-16 LE": ('{"email": "a@example.com"}'.encode("utf-16-le"), JSON, 400),
    "UTF-32": ('{"email": "a@example.com"}'.encode("utf-32"), JSON, 400),
    "BOM": (b'\xef\xbb\xbf{"email": "a@example.com"}', JSON, 400),
    "trailing comma": (b'{"email": "a@example.com",}', JSON, 400),
    "single quotes": (b"{'email': 'a@example.com'}", JSON, 400),
    "raw line break": (b'{"first_name": "a\nb"}', JSON, 400),
    "two values": (b"{}{}", JSON, 400),
    "comment": (b"{/* */}", JSON, 400),
    "form as JSON": (b"email=a@example.com", JSON, 400),
    "gibberish": (b"\x00\x01\x02", JSON, 400),
    "array": (b"[1, 2]", JSON, 422),
    "array of objects": (b'[{"email": "a@example.com"}]', JSON, 422),
    "text": (b'"text"', JSON, 422),
    "number": (b"1", JSON, 422),
    "true": (b"true", JSON, 422),
    "null": (b"null", JSON, 422),
    "form of gibberish": (b"\x00\xff=%zz&%ff=%00&&=;", FORM, 400),
    "form that is not UTF-8": (b"first_name=%ff", FORM, 400),
    "surrogate in form": (b"email=%ED%A0%80", FORM, 400),
    "form of 5,000 fields": (b"&".join(b"f%d=1" % n for n in range(5000)), FORM, 400),
    "form of 5,000 items": (b"&".join(b"customer_ids[]=1" for _ in range(5000)), FORM, 400),
    "broken JSON as form": (b'{"email": "a@example.com"', FORM, 400),
    "form of percents": (b"%zz=%zz&a=%&b=%2", FORM, None),
    "form of brackets": (b"a[[[]=1&a]]=2&[]=3&customer_ids[][][]=4&b" + b"[x]" * 500 + b"=1", FORM, None),
    "form clash": (b"data=1&data[status]=active&customer_ids=1&customer_ids[]=2", FORM, None),
    "XML": (b"<?xml version='1.0'?><a/>", "application/xml", 415),
    "HTML": (b"<p>", "text/html", 415),
    "multipart": (b"--x--", "multipart/form-data; boundary=x", 415),
    "broken multipart": (b"--", "multipart/form-data", 415),
    "UTF-7": (b"{}", "application/json; charset=utf-7", 415),
    "UTF-16 by name": (b"{}", "application/json; charset=utf-16", 415),
    "unknown charset": (b"{}", f"application/json; charset={MARK}", 415),
    "strange charset": (b"{}", "application/json; charset*=x'y'%zz", 415),
    "strange type": (b"{}", "application/;;;", None),
    "60 kB of type": (b"{}", 'application/json;"' + ";" * 60_000, 415),
}  # fmt: skip

QUERIES = (
    "page=9223372036854775808", "page=9007199254740992", "page=-1", "page=0", "page=1_0", "page=%201",
    "page=%D9%A1", "page=1e3", "page=0x1", "page=1.0", "page=true", "page=", "page=" + "9" * 5000,
    "page[]=1", "page[a]=1", "page=1&page=2", "per_page=NaN", "per_page=1000000", "per_page=Infinity",
    "search=%00", f"search={MARK}%00", "search=%ED%A0%80", "search=%ff%fe", "search=%25", "search=_",
    "search=%5C", "search=%27%22", "search=%EF%BF%BF", "search=" + "x" * 5000, "search[]=x",
    "search=" + "%EF%AC%AC" * 255, "search=" + "a%20" * 100,
    "filters=NaN", "filters=[1]", "filters=1", "filters=%22x%22", "filters={", "filters=null",
    "filters=" + "[" * 5000, "filters=%7B%22status%22%3A%22%5Cud800%22%7D", "filters=%EF%BB%BF%7B%7D",
    "filters[status][]=active", "filters[]=active", "filters[status]=%00", f"filters[status]={MARK}",
    "filters[date_from]=9999-99-99", "filters[date_to]=0000-00-00", f"filters[date_to]={MARK}",
    "filters[date_from]=9999-12-31T23:59:59.9-23:59", "filters[date_to]=0001-01-01T00:00:00%2B23:59",
    "filters[date_from]=9999-12-31T23:59:59.9Z", "filters[date_from]=0001-01-01",
    "filters[total_spent_min]=1e9", "filters[total_spent_max]=9223372036854775808",
    "filters[total_spent_min]=NaN", "filters[__proto__]=1", f"filters[{MARK}{'x' * 60}]=1",
    f"filters[{MARK}%E2%80%AE]=1", f"filters[{MARK}%00]=1", f"order_by={MARK};drop", "order_by=password_hash",
    "order_type=up", "order_by[]=id", "&&&=&=", "%zz=%zz", "%ff=%ff", "[=]", "a[b[c]=1", "a[[[]=1", "=1",
    # Of these, the time or the response grew beyond all bounds.
    "filters[ids]=1" + "+" * 30_000 + "2", "filters[ids]=" + "x," * 10_000,
    "filters[email]=a@" + "a." * 10_000, "include=" + "a," * 10_000, "&".join(["include[]=a"] * 2000),
    "&".join(f"filters[a{n}]=1" for n in range(1000)),
    "filters={" + ",".join(f'"{n}":0' for n in range(1000)) + "}",
    "filters" + "[a]" * 1000 + "=1", "&".join("a[]=1" for _ in range(5000)), "rest_route=/x", "_method=PUT",
    f"{MARK}={MARK}", "x=%0d%0aX-Injected:1", "#", "?",
)  # fmt: skip


def places(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each place of an operation's body: a member of it, and that member as JSON with %s in it."""
    reference = operation["requestBody"]["content"][JSON]["schema"].get("$ref", "").rpartition("/")[2]
    members = document["components"]["schemas"].get(reference, {}).get("properties", {"company": {}})
    for member in members:
        yield member, f'"{member}": %s'
    yield "unknown", '"unknown": %s'
    if "company" in members:
        yield "company", '"company": [{"nested": %s}]'
    if "additional_info" in members:
        yield "additional_info", '"additional_info": {"nested": %s}'
    if "dry_run" in members and "create" in members:
        yield "create.email", '"create": [{"email": %s}]'
        yield "create.additional_info", '"create": [{"email": "a@example.com", "additional_info": {"a": %s}}]'
        yield "update.id", '"update": [{"id": %s}]'
        yield "update.phone", '"update": [{"id": 1, "phone": %s, "unknown": %s}]'
    if "data" in members:
        yield "data", '"data": {"status": %s}'
        yield "data", '"data": {"status": "active", "format": %s}'
        yield "customer_ids", '"customer_ids": [%s]'


def body_with(place: str, member: str, value: str, valid: dict[str, Any]) -> bytes:
    """Return a valid body as JSON, but for a value in one place."""
    others = json.dumps({name: other for name, other in valid.items() if name != member})[1:-1]
    return f"{{{others}{', ' if others else ''}{place.replace('%s', value)}}}".encode(
        "utf-8", "surrogatepass"
    )
