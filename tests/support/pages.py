"""Pages as tests read and fill them in without a browser."""

import re
from html import unescape

import httpx

PROFILE, AUTHORIZE = "/wp-admin/profile.php", "/wp-admin/authorize-application.php"
USERS = "/wp-admin/users.php"


def text_of(response: httpx.Response) -> str:
    """Return the text of a page's main part, without tags, in one line."""
    [main] = re.findall(r"<main[^>]*>(.*)</main>", response.text, re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]+>", " ", main)).split())


def nonce_in(response: httpx.Response) -> str:
    """Return the nonce of the forms of a page, which is the same in all of them."""
    [nonce] = set(re.findall(r'name="_wpnonce" value="(\w+)"', response.text))
    return str(nonce)


def fields_of(response: httpx.Response) -> dict[str, str]:
    """Return the fields that the forms of a page have."""
    inputs = re.findall(r"<input[^>]*>", response.text)
    found = [(re.findall(r' name="([^"]+)"', each), re.findall(r' value="([^"]*)"', each)) for each in inputs]
    return {names[0]: unescape(values[0]) if values else "" for names, values in found if names}


async def submit(client: httpx.AsyncClient, action: str, **fields: str) -> httpx.Response:
    """Open the account, and send one of its forms."""
    nonce = nonce_in(await client.get(PROFILE))
    return await client.post(PROFILE, data={"_wpnonce": nonce, "action": action, **fields})


def secret_in(response: httpx.Response) -> str:
    """Return the application password that a page shows once."""
    [secret] = re.findall(r'id="new-application-password-value"[^>]* value="([^"]+)"', response.text)
    return str(secret)


def assert_form_error(response: httpx.Response, status: int, text: str, field: str = "") -> None:
    """The page again, with a message, next to the field that it is about."""
    assert response.status_code == status
    assert f'<p id="error" role="alert">{text}</p>' in response.text
    assert "<title>Error: " in response.text
    marked = re.findall(r'<input id="(\w+)"[^>]* aria-invalid="true" aria-describedby="error"', response.text)
    assert marked == ([field] if field else [])
