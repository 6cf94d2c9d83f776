"""fluent-cart users: the whole output of each command, and its changes in the shop."""

from io import BytesIO, TextIOWrapper
from typing import Any

import pytest

from fluent_cart.clock import now
from fluent_cart.database import connect
from fluent_cart.models import ApplicationPassword, Customer, Session, User
from fluent_cart.security import login_passwords
from fluent_cart.services import sessions
from fluent_cart.settings import Settings
from tests.cli.conftest import Result, Run, complained, misused, printed, warned
from tests.conftest import rows

TAKEN = "A user with this login or e-mail address exists already"


def stored(url: str, model: Any = User) -> list[dict[str, Any]]:
    with connect(url) as connection:
        return rows(connection, model)


NO_PERMISSION = (
    "The role {} has no permission here, so every request of the user is 403."
    " These roles have: administrator, super_admin, manager, worker, accountant"
)


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    return sqlite_settings


class TestCreate:
    def test_create_user_stores_a_user(self, run: Run, shop: str) -> None:
        made = run("users", "create", "Ada", "--email", "Ada@Example.COM", "--role", "manager",
                   "--display-name", "Ada Lovelace")  # fmt: skip
        assert made == printed("User Ada has ID 7 and the role manager.\n")
        user = stored(shop)[-1]
        assert user.pop("created_at") <= now()
        assert user == {
            "id": 7,
            "login": "Ada",
            "login_key": "ada",
            "email": "Ada@example.com",
            "email_key": "ada@example.com",
            "display_name": "Ada Lovelace",
            "role": "manager",
            "password_hash": None,
            "search_text": user["search_text"],
        }
        for part in ("ada", "ada@example.com", "ada lovelace"):
            assert part in user["search_text"]

    def test_create_user_without_a_role_gives_no_permission(self, run: Run, shop: str) -> None:
        made = run("users", "create", "ada", "--email", "ada@example.com")
        assert made == warned(
            "User ada has ID 7 and the role subscriber.\n", NO_PERMISSION.format("subscriber")
        )
        assert (stored(shop)[-1]["display_name"], stored(shop)[-1]["role"]) == ("ada", "subscriber")

    def test_create_user_with_an_unknown_role_prints_a_warning(self, run: Run, shop: str) -> None:
        made = run("users", "create", "ada", "--email", "ada@example.com", "--role", "shop editor")
        assert made == warned(
            "User ada has ID 7 and the role shop editor.\n", NO_PERMISSION.format("shop editor")
        )

    @pytest.mark.parametrize(
        ("role", "meant"),
        [
            ("admin", "administrator"),
            ("Administrator", "administrator"),
            ("shop_manager", "manager"),
            ("wroker", "worker"),
        ],
    )
    def test_misspelt_role_is_named_with_the_nearest_one(
        self, run: Run, shop: str, role: str, meant: str
    ) -> None:
        made = run("users", "create", "ada", "--email", "ada@example.com", "--role", role)
        hint = NO_PERMISSION.format(role).partition("These")[0]
        assert made == warned(f"User ada has ID 7 and the role {role}.\n", f"{hint}Did you mean {meant}?")

    def test_created_user_can_be_attached(self, run: Run, shop: str) -> None:
        run("users", "create", "ada", "--email", "ada@example.com")
        assert stored(shop)[-1]["id"] == 7
        assert len(stored(shop, ApplicationPassword)) == 6, "it has no password yet"

    @pytest.mark.parametrize(
        ("login", "email"),
        [
            ("manager", "ada@example.com"),
            ("MANAGER", "ada@example.com"),
            ("ada", "manager@shop.example"),
            ("ada", "Manager@SHOP.example"),
            ("manager@shop.example", "ada@example.com"),
        ],
    )
    def test_create_user_rejects_a_taken_name(self, run: Run, shop: str, login: str, email: str) -> None:
        """Login and e-mail address both sign in, so a login must not be another user's address."""
        before = stored(shop)
        assert run("users", "create", login, "--email", email) == complained(TAKEN)
        assert stored(shop) == before

    @pytest.mark.parametrize("login", ["", " ", "a:b", ":", "x" * 61])
    def test_create_user_rejects_an_invalid_login(self, run: Run, shop: str, login: str) -> None:
        """HTTP Basic ends the login at its first colon."""
        assert run("users", "create", login, "--email", "ada@example.com") == misused(
            "A login has 1 to 60 characters, none of them a colon"
        )
        assert len(stored(shop)) == 6

    @pytest.mark.parametrize("email", ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example"])
    def test_create_user_rejects_an_invalid_address(self, run: Run, shop: str, email: str) -> None:
        assert run("users", "create", "ada", "--email", email) == misused(
            "--email must be a valid e-mail address"
        )
        assert len(stored(shop)) == 6

    @pytest.mark.parametrize("role", ["", " ", "x" * 61])
    def test_create_user_rejects_an_invalid_role(self, run: Run, shop: str, role: str) -> None:
        assert run("users", "create", "ada", "--email", "ada@example.com", "--role", role) == misused(
            "A role has 1 to 60 characters"
        )
        assert len(stored(shop)) == 6

    def test_create_user_accepts_the_longest_names(self, run: Run, shop: str) -> None:
        assert run("users", "create", "x" * 60, "--email", "ada@example.com", "--role", "y" * 60).code == 0
        assert (stored(shop)[-1]["login"], stored(shop)[-1]["role"]) == ("x" * 60, "y" * 60)

    def test_create_user_needs_an_address(self, run: Run, shop: str) -> None:
        refused = run("users", "create", "ada")
        assert (refused.code, refused.out) == (2, "")
        assert "Missing option '--email'" in refused.err
        assert len(stored(shop)) == 6


class TestList:
    def test_list_of_users_shows_every_user(self, run: Run, shop: str) -> None:
        run("users", "create", "zoë", "--email", "zoe@example.com", "--display-name", "Zoë Müller")
        assert run("users", "list") == printed(
            "id  login          email                       display_name   role\n"
            "1   administrator  administrator@shop.example  Administrator  administrator\n"
            "2   super_admin    super_admin@shop.example    Super_Admin    super_admin\n"
            "3   manager        manager@shop.example        Manager        manager\n"
            "4   worker         worker@shop.example         Worker         worker\n"
            "5   accountant     accountant@shop.example     Accountant     accountant\n"
            "6   subscriber     subscriber@shop.example     Subscriber     subscriber\n"
            "7   zoë            zoe@example.com             Zoë Müller     subscriber\n"
        )

    def test_list_of_no_rows_is_a_sentence(self, run: Run, shop: str) -> None:
        for user in stored(shop):
            run("users", "delete", user["login"])
        assert run("users", "list") == printed("There are no users.\n")


class TestSetRole:
    def test_set_role_changes_the_role_of_one_user(self, run: Run, shop: str) -> None:
        before = stored(shop)
        assert run("users", "set-role", "WORKER", "manager") == printed("User WORKER has the role manager.\n")
        before[3]["role"] = "manager"
        assert stored(shop) == before

    @pytest.mark.parametrize(
        ("login", "role", "result"),
        [
            ("nobody", "manager", complained("There is no user 'nobody'")),
            ("worker", "", misused("A role has 1 to 60 characters")),
            ("worker", "x" * 61, misused("A role has 1 to 60 characters")),
        ],
    )
    def test_set_role_rejects_an_unknown_user(
        self, run: Run, shop: str, login: str, role: str, result: Result
    ) -> None:
        before = stored(shop)
        assert run("users", "set-role", login, role) == result
        assert stored(shop) == before


class TestDelete:
    def test_delete_user_removes_passwords_and_keeps_the_customer(self, run: Run, shop: str) -> None:
        with connect(shop) as connection:
            moment = {"created_at": now(), "updated_at": now()}
            customer = {"email": "a@example.com", "additional_info": {}, "search_text": "", "user_id": 4}
            connection.execute(Customer.__table__.insert(), customer | moment)  # type: ignore[attr-defined]
        assert run("users", "delete", "worker") == printed("User worker is deleted.\n")
        assert [user["id"] for user in stored(shop)] == [1, 2, 3, 5, 6]
        assert [password["user_id"] for password in stored(shop, ApplicationPassword)] == [1, 2, 3, 5, 6]
        assert [(c["email"], c["user_id"]) for c in stored(shop, Customer)] == [("a@example.com", None)]

    def test_delete_user_rejects_an_unknown_user(self, run: Run, shop: str) -> None:
        before = stored(shop)
        assert run("users", "delete", "nobody") == complained("There is no user 'nobody'")
        assert stored(shop) == before


class TestNames:
    def test_names_that_are_not_utf_8_are_rejected_in_one_line(self, run: Run, shop: str) -> None:
        """Text in another encoding than UTF-8 arrives with half a character."""
        refused = run("users", "create", "ad\udce4", "--email", "ada@example.com")
        assert (refused.code, refused.out) == (1, "")
        assert refused.err.startswith("fluent-cart: ")
        assert refused.err.count("\n") == 1


def test_group_without_a_command_shows_the_help(run: Run) -> None:
    shown = run("users")
    assert shown.code == 2
    for command in ("create", "list", "set-role", "delete"):
        assert command in shown.out + shown.err


class TestPasswords:
    """A password is typed or read, never an argument, because all users of a machine see arguments."""

    PASSWORD = " correct horse, \u00fcber "

    @pytest.fixture
    def typed(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Texts that a person types at each prompt.

        A prompt for anything but a hidden password is an error.
        """
        answers: list[str] = []

        def answer(_text: str, *, hide_input: bool, confirmation_prompt: bool) -> str:
            assert hide_input
            assert confirmation_prompt
            return answers.pop(0)

        monkeypatch.setattr("typer.prompt", answer)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        return answers

    @staticmethod
    def _hash(url: str, login: str) -> str:
        [found] = [row["password_hash"] for row in stored(url) if row["login"] == login]
        return str(found)

    def test_login_password_is_set_as_typed(self, run: Run, shop: str, typed: list[str]) -> None:
        typed.append(self.PASSWORD)
        assert run("users", "set-password", "worker") == printed("User worker has a new login password.\n")
        assert login_passwords.verify(self.PASSWORD, self._hash(shop, "worker"))

    def test_setting_a_password_without_a_terminal_is_rejected(self, run: Run, shop: str) -> None:
        assert run("users", "set-password", "worker") == complained(
            "Standard input is not a terminal. Use --stdin"
        )

    def test_login_password_is_set_from_standard_input(
        self, run: Run, shop: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = TextIOWrapper(BytesIO(f"{self.PASSWORD}\n".encode()), "utf-8")
        monkeypatch.setattr("sys.stdin", given)
        done = run("users", "set-password", "WORKER", "--stdin")
        assert done == printed("User WORKER has a new login password.\n")
        assert login_passwords.verify(self.PASSWORD, self._hash(shop, "worker"))

    def test_new_user_gets_a_login_password_on_request(self, run: Run, shop: str, typed: list[str]) -> None:
        typed.append(self.PASSWORD)
        run("users", "create", "ada", "--email", "ada@example.com", "--password")
        assert login_passwords.verify(self.PASSWORD, self._hash(shop, "ada"))

    @pytest.mark.parametrize(
        ("password", "complaint"),
        [
            ("", "A login password has at least 8 characters"),
            ("  short  \n", "A login password has at least 8 characters"),
            ("ab" + "\u00e9" * 2048, "A login password has at most 4096 bytes"),
            ("password\n", "This login password is one of the most common ones. Choose another one"),
            ("Summer2025!", "This login password is one of the most common ones. Choose another one"),
        ],
    )
    def test_invalid_login_passwords_are_rejected(
        self, run: Run, shop: str, typed: list[str], password: str, complaint: str
    ) -> None:
        before = stored(shop)
        for command in (
            ("set-password", "worker"),
            ("create", "ada", "--email", "a@b.example", "--password"),
        ):
            typed.append(password)
            assert run("users", *command) == complained(complaint)
        assert stored(shop) == before

    def test_login_password_of_an_unknown_user_is_rejected(
        self, run: Run, shop: str, typed: list[str]
    ) -> None:
        typed.append(self.PASSWORD)
        assert run("users", "set-password", "nobody") == complained("There is no user 'nobody'")

    def test_new_login_password_ends_the_sessions_of_the_old_one(
        self, run: Run, shop: str, typed: list[str]
    ) -> None:
        typed.append(self.PASSWORD)
        begin_sessions(shop, "worker", "manager")
        run("users", "set-password", "worker")
        assert [row["user_id"] for row in stored(shop, Session)] == [MANAGER]


class TestSignOut:
    def test_sign_out_ends_all_sessions_of_a_user(self, run: Run, shop: str) -> None:
        begin_sessions(shop, "worker", "worker", "manager")
        for ended in ("2 sessions", "0 sessions"):
            assert run("users", "sign-out", "worker") == printed(
                f"User worker is signed out: {ended} ended.\n"
            )
        assert run("users", "sign-out", "manager") == printed(
            "User manager is signed out: 1 session ended.\n"
        )
        assert stored(shop, Session) == []

    def test_sign_out_of_an_unknown_user_is_rejected(self, run: Run, shop: str) -> None:
        assert run("users", "sign-out", "nobody") == complained("There is no user 'nobody'")


MANAGER = 3


def begin_sessions(url: str, *logins: str) -> None:
    with connect(url) as connection:
        for login in logins:
            account = sessions.find_account(connection, login)
            assert account
            assert sessions.start_session(connection, account, None, 60)
