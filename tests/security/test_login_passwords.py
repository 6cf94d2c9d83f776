"""Login passwords: only hashes of PHP and WordPress sign in.

Measured in docs/guarantees.md, A1, A2.
"""

import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from passlib.hash import phpass

from fluent_cart.security import login_passwords
from fluent_cart.security.login_passwords import hash_password, is_known, is_outdated, verify
from tests.support.login import quick_legacy_hash
from tests.support.paths import ROOT

# Users from the dump of a real WordPress 6.8.7. The last hash is older than 6.8.
WORDPRESS = {
    "pass-worker": "$wp$2y$10$xMQvZN3ef42/7CPmalCbGOc6AY6dFVrpZdfmAPZx0DdX4JNgiEOO6",
    "pass-sub": "$wp$2y$10$0RPfD1Ti2cJLTuk9AycS9OSv.L83tm6XCF.AGEwC176LCtTGDgQLu",
    "pass-editor1": "$wp$2y$10$YvYV5VCKQucBxDx5pu9/iudCxqiDELkbTKAErivVetSznsPVJ4Oq.",
    "geheim & s\u00fc\u00df": "$wp$2y$10$qSNY0yAxAkbgYsiadKbhp.1cOIZA/OLbSww.dPpvLV60xYufEdKuC",
    "old login p\u00e4ssword": "$P$BFdm7KZu0zOJFZBLMLzObu5NtHLd0d1",
}
# Made by PHP with the script in this folder: white space around, 100 bytes, other scripts, a NUL, generated.
PHP: list[dict[str, Any]] = json.loads((ROOT / "tests" / "data" / "login_passwords.json").read_text())
FORMS = ("wordpress", "bcrypt", "phpass")
VECTORS = [
    *WORDPRESS.items(),
    *((vector["password"], vector[form]) for vector in PHP for form in FORMS if vector[form]),
]
[BCRYPT] = [vector["bcrypt"] for vector in PHP if vector["password"].startswith("Kq3")]
SECRET = "Kq3vZ)8w!mT&2hX(pL$7"
NO_HASHES = {
    "none": None,
    "empty": "",
    "locked": "*",
    "phpass's own failures": "*0",
    "plain text": SECRET,
    "MD5": "685a3fe4101db5ebeb230119fc505947",
    "an application password": "$generic$OZ39GURG0uuWNG7fRmBYx6wGOi7G4hh04N3bu_i5",
    "argon2": "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b0dWRWJTmaaJObG",
    "bcrypt, prefix only": "$2y$",
    "bcrypt, too short": BCRYPT[:-1],
    "bcrypt, too long": BCRYPT + "a",
    "bcrypt, line break": BCRYPT + "\n",
    "bcrypt, not ASCII": BCRYPT[:-1] + "\u00e9",
    "bcrypt, padded": BCRYPT[:-1] + "=",
    "bcrypt, no rounds": BCRYPT.replace("$05$", "$xx$"),
    "bcrypt, too few rounds": BCRYPT.replace("$05$", "$03$"),
    "bcrypt, rounds for hours": BCRYPT.replace("$05$", "$31$"),
    "bcrypt, other variants": BCRYPT.replace("$2y$", "$2x$"),
    "WordPress, prefix only": "$wp",
    "WordPress, of PHP's bcrypt": "$wp" + BCRYPT,
    "WordPress, twice": "$wp$wp" + BCRYPT,
    "phpass, too short": "$P$BFdm7KZu0zOJFZBLMLzObu5NtHLd0d",
    "phpass, rounds for hours": "$P$SFdm7KZu0zOJFZBLMLzObu5NtHLd0d1",
    "phpass, no rounds": "$P$!Fdm7KZu0zOJFZBLMLzObu5NtHLd0d1",
}


class TestVerify:
    @pytest.mark.parametrize(("password", "known"), VECTORS)
    def test_verify_accepts_what_other_programs_stored(self, password: str, known: str) -> None:
        assert is_known(known)
        # PHP's white space around a password is removed, and nothing else.
        assert verify(f"\0\x0b\r\n\t {password} \t\n\r\x0b\0", known)

    @pytest.mark.parametrize(("password", "known"), VECTORS[len(WORDPRESS) - 1 :])
    def test_verify_rejects_a_password_that_differs(self, password: str, known: str) -> None:
        inner = password.strip(login_passwords.TRIMMED)
        for other in (f"x{inner}", inner.swapcase() if inner.swapcase() != inner else f"\u00a0{inner}"):
            assert not verify(other, known), other

    def test_verify_rejects_the_password_of_another_hash(self) -> None:
        of_php = VECTORS[len(WORDPRESS) :]
        for password in {each for each, _ in of_php}:
            assert [verify(password, known) for _, known in of_php] == [
                password == other for other, _ in of_php
            ]

    @pytest.mark.parametrize("vector", PHP, ids=range(len(PHP)))
    def test_verify_rejects_md5(self, vector: dict[str, Any]) -> None:
        assert not verify(vector["password"], vector["md5"])

    @pytest.mark.parametrize("stored", NO_HASHES.values(), ids=NO_HASHES)
    def test_verify_rejects_a_malformed_login_hash_without_an_exception(self, stored: str | None) -> None:
        for password in (SECRET, "", "*", "*0", "\0", "\ud800"):
            assert not verify(password, stored)
        assert stored == "$wp" + BCRYPT or not is_known(stored or "")

    @pytest.mark.parametrize("password", ["", " ", "\0\x0b\r\n\t ", "x" * 4097, "\u00e9" * 2049])
    def test_verify_rejects_empty_and_long_passwords_before_hashing(
        self, password: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of_nothing = [quick_legacy_hash(""), "$2y$" + bcrypt.hashpw(b"", bcrypt.gensalt(4))[4:].decode()]

        def fails(*_arguments: object) -> bytes:
            raise AssertionError("a hash")

        monkeypatch.setattr(bcrypt, "hashpw", fails)
        monkeypatch.setattr(phpass, "_calc_checksum", fails)
        for stored in (*of_nothing, *WORDPRESS.values(), None):
            assert not verify(password, stored)

    def test_verify_takes_as_many_bytes_as_wordpress(self) -> None:
        assert verify("x" * 4096, hash_password("x" * 4096))

    def test_verify_looks_no_further_than_php(self) -> None:
        """PHP's bcrypt ends with the 72nd byte. WordPress's does not, and a NUL does not end a password."""
        [long] = [vector for vector in PHP if len(vector["password"]) == 100]
        other = long["password"][:72] + "x"
        assert [verify(other, long[form]) for form in FORMS] == [False, True, False]
        assert not verify(f"{SECRET}\0rest", BCRYPT)


class TestHash:
    def test_login_password_hash_is_readable_by_wordpress(self) -> None:
        made = hash_password(" geheim & s\u00fc\u00df\n")
        assert made.startswith("$wp$2y$04$")
        assert len(made) == len(WORDPRESS["pass-worker"])
        assert is_known(made)
        assert verify("geheim & s\u00fc\u00df", made)

    def test_login_password_hash_differs_each_time(self) -> None:
        made = {hash_password(SECRET) for _ in range(20)}
        assert len({each[10:32] for each in made}) == 20
        # bcrypt keeps two bits of the last character of a salt, so a salt with more bits is invalid.
        assert all(verify(SECRET, each) for each in made)

    @pytest.mark.parametrize("password", ["", " \0", "x" * 4097])
    def test_empty_or_too_long_password_is_not_hashed(self, password: str) -> None:
        with pytest.raises(ValueError, match="1 to 4096 bytes"):
            hash_password(password)

    def test_login_password_hash_has_phps_cost(self) -> None:
        assert "COST = 12\n" in Path(login_passwords.__file__).read_text()


def test_hash_of_another_kind_or_cheaper_is_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_passwords, "COST", 10)
    outdated = {known: is_outdated(known) for _, known in VECTORS}
    assert {known for known, old in outdated.items() if not old} == {
        known for known in WORDPRESS.values() if known.startswith("$wp$2y$10$")
    }


class TestCost:
    """A refusal takes the same time for any stored hash. This counts rounds, and test_login measures time."""

    @pytest.fixture
    def rounds(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The costs of all bcrypt that is done."""
        done: list[int] = []
        hashpw = bcrypt.hashpw

        def count(password: bytes, salt: bytes) -> bytes:
            done.append(int(salt[4:6]))
            return hashpw(password, salt)

        monkeypatch.setattr(bcrypt, "hashpw", count)
        monkeypatch.setattr(login_passwords, "COST", 7)
        return done

    @pytest.mark.parametrize(
        ("stored", "costs"),
        [
            (None, [7]),
            ("685a3fe4101db5ebeb230119fc505947", [7]),
            ("*", [7]),
            (BCRYPT[:-1], [7]),
            # Two to the fifth, and the difference to two to the seventh.
            (BCRYPT, [5, 5, 6]),
            ("$wp" + BCRYPT, [5, 5, 6]),
            ("$wp" + BCRYPT.replace("$05$", "$07$"), [7]),
            ("$wp" + BCRYPT.replace("$05$", "$08$"), [8]),
            # A hash of phpass takes as long as bcrypt with 6.
            (WORDPRESS["old login p\u00e4ssword"], [6]),
        ],
    )
    def test_wrong_password_costs_the_same_for_every_hash(
        self, rounds: list[int], stored: str | None, costs: list[int]
    ) -> None:
        assert not verify("wrong", stored)
        assert rounds == costs

    def test_impossible_password_costs_one_hash(self, rounds: list[int]) -> None:
        assert not verify("a\0b", BCRYPT)
        assert rounds == [7]

    def test_right_password_costs_one_hash(self, rounds: list[int]) -> None:
        assert verify(SECRET, BCRYPT)
        assert rounds == [5]


class TestCommonPasswords:
    @pytest.mark.parametrize(
        "password",
        [
            "password",
            "12345678",
            "qwertyui",
            "PassWord",
            " password1\n",
            "Password123!",
            "11111111",
            "ababababab",
        ],
    )
    def test_common_password_is_found(self, password: str) -> None:
        assert login_passwords.is_common(password)

    @pytest.mark.parametrize(
        "password",
        ["correct horse battery staple", "password of my shop", "xkcd-password", "kX9vTq2L", "passwordRz81"],
    )
    def test_other_password_is_not_common(self, password: str) -> None:
        assert not login_passwords.is_common(password)

    def test_list_of_common_passwords_has_only_long_enough_ones(self) -> None:
        common = login_passwords._common_passwords()
        assert len(common) > 1000
        assert [word for word in common if len(word) < 8 or word != word.casefold()] == []
