"""Application passwords: the hashes are those of other programs, and nothing else gets in.

See docs/decisions.md#22-http-basic.
"""

import string
from typing import Any

import pytest
from passlib.hash import phpass

from fluent_cart.security import application_passwords

# Secrets and their hashes as a real WordPress 6.8.7 stored them. The last is of a site older than 6.8.
WORDPRESS = {
    "U4sx O6Po Y9Je 8GpT gSiI JuLE": "$generic$OZ39GURG0uuWNG7fRmBYx6wGOi7G4hh04N3bu_i5",
    "cupzsT2v9q8L56PWIi4EkL13": "$generic$eHeGNrgpDA_7M66vdJwmSa5nQDHLk1rmNZlTcbHO",
    "l7OKK1Ln4Pd8JGQ7be1TPVB8": "$generic$FYeJM-IWUGchw7bV-Onvr78RqsBo4d7fd-w4J0yE",
    "9NlueYKvOzz05X2Mit6JqMLC": "$generic$Ctc8hURf9P51g9Y7PcWpyFnxV2pTodnXkv3ZdU4n",
    "MwxdGozR8PXI0OPemZo85nSc": "$generic$vJ4ULiGgmO8BFFqYT9eT6cGh0QaHMshpPYFb71c5",
    "bwGfoUPFCoHx5LIl8X3i85bl": "$P$Bb9ZYqUD4FZumBLiaYb4n4eyHNkGH80",
}
# Made with OpenSSL: printf SECRET | openssl mac -macopt hexkey:77705f666173745f686173685f362e382b
# -macopt size:30 -binary BLAKE2BMAC | basenc --base64url
OPENSSL = {
    "applicationpassword": "$generic$flPFqw-R_VOh6h1A-tEKe8LslOfCmeWyzQmaMjdl",
    "a": "$generic$BlPpiI8BQNn0n2N8UyDNalqefg-kBenPJ2QV3FLD",
    "0123456789" * 20: "$generic$ERNg_Kpe2IL97iXMuODBXebi0ZsEkmdi08vpUN47",
}
# The test vector of Openwall's phpass, the library that WordPress took $P$ from.
OPENWALL = {"test12345": "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"}
DUMMY = application_passwords.dummy("$P$B")
EMPTY_LEGACY_HASH = "$P$5abcdefghVedmhfxG5mgftKyEgI4UT."
KNOWN = WORDPRESS | OPENSSL | OPENWALL
SECRET, LEGACY_HASH = "bwGfoUPFCoHx5LIl8X3i85bl", WORDPRESS["bwGfoUPFCoHx5LIl8X3i85bl"]
FAST_HASHES = [(secret, known) for secret, known in KNOWN.items() if known.startswith("$generic$")]

NO_HASHES = {
    "empty": "",
    "locked": "*",
    "phpass's own failures": "*0",
    "plain text": SECRET,
    "MD5": "5f4dcc3b5aa765d61d8327deb882cf99",
    "bcrypt, too dear": "$2y$13$" + "a" * 53,
    "bcrypt, too cheap": "$2y$03$" + "a" * 53,
    "bcrypt, too short": "$2y$10$" + "a" * 52,
    "bcrypt, of another program": "$2b$10$" + "a" * 53,
    "legacy, many minutes": LEGACY_HASH.replace("$P$B", "$P$S"),
    "legacy, too dear": LEGACY_HASH.replace("$P$B", "$P$F"),
    "fast, nothing else": "$generic$",
    "fast, too short": "$generic$" + "a" * 39,
    "fast, too long": "$generic$" + "a" * 41,
    "fast, padded": "$generic$" + "a" * 40 + "==",
    "fast, not ASCII": "$generic$" + "\u00e9" * 40,
    "legacy, prefix only": "$P$",
    "legacy, rounds only": "$P$B",
    "legacy, salt only": "$P$Bb9ZYqUD4",
    "legacy, too short": LEGACY_HASH[:-1],
    "legacy, too long": LEGACY_HASH + "0",
    "legacy, line break": LEGACY_HASH + "\n",
    "legacy, not ASCII": LEGACY_HASH[:-1] + "\u00e9",
    "legacy, NUL": "$P$B\0",
    "legacy, too many rounds": LEGACY_HASH.replace("$P$B", "$P$z"),
    "legacy, no rounds": LEGACY_HASH.replace("$P$B", "$P$!"),
    "legacy, lower case": LEGACY_HASH.replace("$P$", "$p$"),
}


class TestVerify:
    @pytest.mark.parametrize(("secret", "known"), KNOWN.items())
    def test_verify_accepts_the_hashes_of_other_programs(self, secret: str, known: str) -> None:
        assert application_passwords.verify(secret, known)

    @pytest.mark.parametrize(("secret", "known"), KNOWN.items())
    def test_verify_rejects_a_secret_that_differs_in_one_letter(self, secret: str, known: str) -> None:
        for other in (f"{secret}x", f"x{secret}", secret[:-1], f"{secret[:-1]}_", f"{secret[:-1]}x"):
            assert not application_passwords.verify(other, known)

    @pytest.mark.parametrize(("secret", "known"), WORDPRESS.items())
    def test_verify_rejects_a_secret_in_another_case(self, secret: str, known: str) -> None:
        for other in (secret.lower(), secret.upper(), secret.swapcase()):
            assert not application_passwords.verify(other, known)

    def test_verify_rejects_the_secret_of_another_hash(self) -> None:
        accepted = [
            (secret, known)
            for secret in KNOWN
            for known in KNOWN.values()
            if application_passwords.verify(secret, known)
        ]
        assert accepted == list(KNOWN.items())

    @pytest.mark.parametrize("secret", ["", " ", "-_-", "\u00e9\u00df\u0661", "\0", "x" * 4097])
    def test_verify_rejects_secrets_of_which_nothing_is_left(self, secret: str) -> None:
        for stored in (*KNOWN.values(), *NO_HASHES.values(), DUMMY):
            assert not application_passwords.verify(secret, stored)

    def test_verify_rejects_an_empty_secret_even_if_its_hash_is_stored(self) -> None:
        assert not application_passwords.verify("", application_passwords.digest(""))
        assert phpass.verify("", EMPTY_LEGACY_HASH)
        assert not application_passwords.verify("", EMPTY_LEGACY_HASH)

    @pytest.mark.parametrize("stored", NO_HASHES.values(), ids=NO_HASHES)
    def test_verify_rejects_a_malformed_hash_without_an_exception(self, stored: str) -> None:
        assert not application_passwords.verify(SECRET, stored)

    @pytest.mark.parametrize("prefix", ["$2y$04$", "$wp$2y$04$"])
    def test_bcrypt_hash_whose_salt_is_invalid_verifies_nothing(self, prefix: str) -> None:
        """The last character of a salt has four bits that must be zero."""
        assert application_passwords.is_known(prefix + "z" * 53)
        assert not application_passwords.verify(SECRET, prefix + "z" * 53)

    def test_secret_that_is_too_long_is_not_hashed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_arguments: object) -> str:
            raise AssertionError("a slow hash of a long secret")

        monkeypatch.setattr(phpass, "_calc_checksum", fails)
        assert not application_passwords.verify("x" * 1_000_000, LEGACY_HASH)
        assert application_passwords.digest("x" * 1_000_000) == application_passwords.digest("")


class TestDigest:
    @pytest.mark.parametrize(("secret", "known"), FAST_HASHES)
    def test_digest_is_what_other_programs_make(self, secret: str, known: str) -> None:
        assert application_passwords.digest(secret) == known

    def test_digest_is_the_same_however_the_secret_is_written(self) -> None:
        for written in (
            "application_password",
            "appl icat ionp assw ord",
            " application\tpassword\r\n",
            "application:password",
            "application\u00e9\u00dfpassword",
            "application\0password",
        ):
            assert application_passwords.digest(written) == application_passwords.digest(
                "applicationpassword"
            )

    def test_digest_differs_by_letter_digit_and_case(self) -> None:
        secrets = ("abcd", "Abcd", "abcD", "abcd0", "0abcd", "abdc", "")
        assert len({application_passwords.digest(secret) for secret in secrets}) == len(secrets)


class TestNormalize:
    def test_normalize_keeps_ascii_letters_and_digits_only(self) -> None:
        everything = "".join(map(chr, range(0x800)))
        assert (
            application_passwords.normalize(everything)
            == string.digits + string.ascii_uppercase + string.ascii_lowercase
        )

    @pytest.mark.parametrize(("length", "kept"), [(4096, 4096), (4097, 0)])
    def test_normalize_leaves_nothing_of_what_is_too_long(self, length: int, kept: int) -> None:
        assert application_passwords.normalize("x" * length) == "x" * kept

    def test_normalize_counts_what_will_be_dropped_too(self) -> None:
        assert application_passwords.normalize("x" + " " * 4096) == ""


class TestGenerate:
    def test_generate_makes_24_letters_and_digits(self) -> None:
        made = [application_passwords.generate() for _ in range(500)]
        assert {len(secret) for secret in made} == {24}
        # Any of the 62 would be missing from 12,000 characters once in 10^84 runs.
        assert set("".join(made)) == set(string.ascii_letters + string.digits)
        assert len(set(made)) == len(made)

    def test_generate_uses_every_character_about_equally_often(self) -> None:
        made = "".join(application_passwords.generate() for _ in range(2_000))
        expected = len(made) / 62
        # Eight standard deviations: a biased choice is far outside, chance never.
        spread = 8 * expected**0.5
        assert all(
            abs(made.count(character) - expected) < spread for character in application_passwords.ALPHABET
        )

    def test_generate_is_accepted_grouped_and_ungrouped(self) -> None:
        secret = application_passwords.generate()
        stored = application_passwords.digest(secret)
        assert application_passwords.verify(secret, stored)
        assert application_passwords.verify(application_passwords.format_for_display(secret), stored)


class TestGroups:
    @pytest.mark.parametrize(
        ("secret", "shown"),
        [
            ("abcdefghijklmnopqrstuvwx", "abcd efgh ijkl mnop qrst uvwx"),
            ("abcdef", "abcd ef"),
            ("abcd", "abcd"),
            ("", ""),
        ],
    )
    def test_groups_are_of_four(self, secret: str, shown: str) -> None:
        assert application_passwords.format_for_display(secret) == shown


class TestDummy:
    """A dummy hash must cost as much as a real one, and match no password."""

    def test_dummy_is_a_legacy_hash_of_as_many_rounds_as_wordpress_makes(self) -> None:
        def cost(stored: str) -> Any:
            return phpass.from_string(stored).rounds

        assert cost(DUMMY) == cost(LEGACY_HASH) == 13

    @pytest.mark.parametrize("beginning", ["$P$5", "$P$E", "$2y$04$", "$2y$12$", "$wp$2y$10$"])
    def test_dummy_is_a_known_hash_of_the_same_beginning(self, beginning: str) -> None:
        found = application_passwords.dummy(beginning)
        assert (found.startswith(beginning), application_passwords.is_known(found)) == (True, True)
        assert not application_passwords.verify(SECRET, found)

    def test_dummy_has_another_salt_than_a_real_one(self) -> None:
        assert phpass.from_string(DUMMY).salt != phpass.from_string(LEGACY_HASH).salt

    def test_dummy_belongs_to_no_secret_that_is_easily_guessed(self) -> None:
        for secret in (
            "password",
            "dummy",
            "secret",
            "applicationpassword",
            "wordpress",
            "admin",
            "x",
            SECRET,
        ):
            assert not application_passwords.verify(secret, DUMMY)
