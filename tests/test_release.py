"""The release command: version, changelog and refusals."""

from datetime import date

import pytest

from tests.release import ReleaseError, dated, release, with_version

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n- A thing.\n\n## [0.1.0]\n- First.\n"


def test_version_of_the_package_is_replaced() -> None:
    source = '"""Doc."""\n\n__version__ = "{}"\n'
    assert with_version(source.format("0.1.0"), "0.2.0") == source.format("0.2.0")


def test_source_without_a_version_is_rejected() -> None:
    with pytest.raises(ReleaseError, match="has no line with __version__"):
        with_version("version = 1\n", "0.2.0")


def test_unreleased_changes_get_the_version_and_the_date() -> None:
    changed = dated(CHANGELOG, "0.2.0", date(2026, 11, 27))
    assert changed.startswith(
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-27\n\n### Added\n- A thing.\n"
    )
    assert changed.endswith("## [0.1.0]\n- First.\n")


def test_version_that_the_changelog_has_is_rejected() -> None:
    with pytest.raises(ReleaseError, match=r"already has 0\.1\.0"):
        dated(CHANGELOG, "0.1.0", date(2026, 11, 27))


def test_changelog_without_unreleased_changes_is_rejected() -> None:
    empty = CHANGELOG.replace("### Added\n- A thing.\n\n", "")
    with pytest.raises(ReleaseError, match="nothing under"):
        dated(empty, "0.2.0", date(2026, 11, 27))


@pytest.mark.parametrize("version", ["", "1", "0.2", "v0.2.0", "0.2.0rc1"])
def test_release_without_a_whole_version_is_rejected(version: str) -> None:
    with pytest.raises(ReleaseError, match="make release VERSION"):
        release(version)
