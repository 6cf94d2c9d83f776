"""The list of users and their roles, for administrators. Only commands change them.

See docs/decisions.md#158-list-of-users.
"""

from html import escape
from urllib.parse import urlencode

from fastapi import Request, Response

from fluent_cart.auth.policies import can_list_users
from fluent_cart.database.prepared import Record
from fluent_cart.http.dependencies import DatabaseDep
from fluent_cart.pages.account.html import account_page, plain_text
from fluent_cart.pages.account.visitor import Visitor, page_router, require_visitor
from fluent_cart.services.pages import Page
from fluent_cart.services.users import find_users
from fluent_cart.wordpress.paths import USERS

TITLE = "Users"
PER_PAGE = 50
MAX_SEARCH, MAX_DIGITS = 255, 9

router = page_router()


@router.get(USERS)
async def show_users(request: Request, database: DatabaseDep) -> Response:
    """Show a page of the users. The parameters have WordPress' names, ``s`` and ``paged``."""
    query = request.query_params
    search, number = plain_text(query.get("s", ""))[:MAX_SEARCH], _page_number(query.get("paged", ""))
    visitor = await require_visitor(request, database, _address(search, number, USERS))
    can_list_users.check(visitor.user)
    found = await database.scan(find_users, search, number, PER_PAGE)
    return _page_of_users(visitor, found, search, number)


def _page_number(text: str) -> int:
    return max(int(text), 1) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else 1


def _page_of_users(visitor: Visitor, found: Page, search: str, number: int) -> Response:
    body = f"""\
<h1>{TITLE}</h1>
<p>Commands change users and roles: see the <a href="../guide/secure#users-and-roles">guide</a>.</p>
<form action="users.php" method="get" role="search">
<p><label for="search">Login, name, e-mail address or ID</label>
<input id="search" name="s" type="search" value="{escape(search)}" maxlength="{MAX_SEARCH}"></p>
<p><button>Search users</button></p>
</form>
<p role="status">{_counted(found, number)}</p>
{_table(found.items) if found.items else ""}
{_pages(found, search, number)}"""
    return account_page(TITLE, body, nonce=visitor.nonce)


def _counted(found: Page, number: int) -> str:
    first = (number - 1) * PER_PAGE + 1
    if not found.items:
        return "No user is found." if not found.total else "There is no such page."
    return f"{first} to {first + len(found.items) - 1} of {found.total}"


def _table(users: list[Record]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row"><bdi>{escape(user["login"])}</bdi></th><td>{escape(user["role"])}</td>'
        f"<td><bdi>{escape(user['display_name'])}</bdi></td><td>{escape(user['email'])}</td>"
        f"<td>{user['id']}</td></tr>"
        for user in users
    )
    return f"""\
<div class="scroll" tabindex="0" role="group" aria-label="{TITLE}"><table>
<thead><tr><th scope="col">Login</th><th scope="col">Role</th><th scope="col">Name</th>\
<th scope="col">E-mail address</th><th scope="col">ID</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _pages(found: Page, search: str, number: int) -> str:
    links = []
    if number > 1:
        links.append(f'<a rel="prev" href="{escape(_address(search, number - 1))}">Previous page</a>')
    if number * PER_PAGE < found.total:
        links.append(f'<a rel="next" href="{escape(_address(search, number + 1))}">Next page</a>')
    return f'<nav aria-label="Pages"><p>{" ".join(links)}</p></nav>' if links else ""


def _address(search: str, number: int, page: str = "users.php") -> str:
    query = {"s": search} if search else {}
    if number > 1:
        query["paged"] = str(number)
    return f"{page}?{urlencode(query)}" if query else page
