"""The output of commands: tables, lines, errors, help and wrong usage."""

import runpy

import pytest

from fluent_cart.cli import output
from tests.cli.conftest import Run

Written = pytest.CaptureFixture[str]


class TestTable:
    def test_columns_are_as_wide_as_their_widest_cell(self, capsys: Written) -> None:
        output.table([{"id": 1, "name": "Zoë"}, {"id": 100, "name": "Ada Lovelace"}], empty="Nobody.")
        assert capsys.readouterr() == ("id   name\n1    Zoë\n100  Ada Lovelace\n", "")

    def test_header_may_be_wider_than_its_cells(self, capsys: Written) -> None:
        output.table([{"created_at": "now", "id": 1}], empty="Nobody.")
        assert capsys.readouterr() == ("created_at  id\nnow         1\n", "")

    def test_table_has_no_white_space_at_the_end_of_a_line(self, capsys: Written) -> None:
        output.table([{"id": 1, "name": ""}, {"id": 2, "name": "Ada"}], empty="Nobody.")
        assert capsys.readouterr() == ("id  name\n1\n2   Ada\n", "")

    def test_table_without_rows_is_a_sentence(self, capsys: Written) -> None:
        output.table([], empty="Nobody.")
        assert capsys.readouterr() == ("Nobody.\n", "")


class TestLines:
    def test_lines_go_to_standard_output(self, capsys: Written) -> None:
        output.print_line("Done.")
        assert capsys.readouterr() == ("Done.\n", "")

    def test_errors_go_to_standard_error(self, capsys: Written) -> None:
        output.print_error("That is wrong")
        assert capsys.readouterr() == ("", "fluent-cart: That is wrong\n")


class TestUsage:
    def test_usage_without_a_command_shows_the_help(self, run: Run) -> None:
        shown = run()
        assert shown.code == 2
        for command in ("serve", "migrate", "users", "app-passwords", "recalculate", "check", "copy"):
            assert command in shown.out + shown.err

    @pytest.mark.parametrize("command", [(), ("serve",), ("users", "create"), ("app-passwords", "revoke")])
    def test_usage_with_help_explains_and_does_nothing(self, run: Run, command: tuple[str, ...]) -> None:
        shown = run(*command, "--help")
        assert (shown.code, shown.err) == (0, "")
        assert f"{' '.join(['fluent-cart', *command])} [OPTIONS]" in shown.out

    @pytest.mark.parametrize(
        "arguments", [("begin",), ("users", "begin"), ("check", "all"), ("migrate", "--all")]
    )
    def test_wrong_usage_exits_with_2(self, run: Run, arguments: tuple[str, ...]) -> None:
        refused = run(*arguments)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith("Usage: ")
        assert "Traceback" not in refused.err

    def test_python_m_package_is_the_same_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: Written
    ) -> None:
        monkeypatch.setattr("sys.argv", ["fluent-cart", "--help"])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_module("fluent_cart", run_name="__main__")
        assert exit_.value.code == 0
        assert "fluent-cart [OPTIONS] COMMAND" in capsys.readouterr().out


def test_control_characters_of_names_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([{"name": "A\x1b]0;PWNED\x07\x1b[2J\u202eB\n"}], "none")
    assert capsys.readouterr().out == "name\n" + r"A\x1b]0;PWNED\x07\x1b[2J\u202eB\n" + "\n"
