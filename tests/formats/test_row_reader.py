"""Read files from any program: the fields of each line, or the reason why it cannot be read."""

import os
from io import BytesIO

import pytest

from fluent_cart.enums import FileFormat
from fluent_cart.formats.row_reader import Columns, FileError, Line, read_rows

COLUMNS = Columns(
    names=frozenset({"id", "name", "info", "total"}),
    json=frozenset({"info"}),
    silent=frozenset({"id", "info"}),
    ignored=frozenset({"total"}),
)
CSV, NDJSON = FileFormat.CSV, FileFormat.NDJSON
BAD_JSON = {"info": ["Must be JSON"]}
NO_OBJECT = {"line": ["Must be a JSON object in UTF-8"]}


def read(content: bytes, file_format: FileFormat = CSV) -> list[Line]:
    return list(read_rows(BytesIO(content), file_format, COLUMNS))


class TestCsv:
    @pytest.mark.parametrize("mark", [b",", b";", b"\t"])
    @pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
    @pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
    def test_csv_of_any_spreadsheet_is_read(self, mark: bytes, end: bytes, start: bytes) -> None:
        lines = [b"id,name,info,total", b'1,Ann,"{""a"":1}",5', b",,,", b"2,'=1,,"]
        content = start + end.join(line.replace(b",", mark) for line in lines)
        assert read(content) == [
            Line(2, {"id": "1", "name": "Ann", "info": {"a": 1}}),
            Line(3, {"name": ""}),
            Line(4, {"id": "2", "name": "=1"}),
        ]

    def test_cell_may_have_line_feeds_which_count(self) -> None:
        assert read(b'name\n"a\nb"\n\n"c\r\nd"\ne\n') == [
            Line(2, {"name": "a\nb"}),
            Line(5, {"name": "c\r\nd"}),
            Line(7, {"name": "e"}),
        ]

    def test_malformed_line_does_not_stop_the_next(self) -> None:
        assert read(b'id,name\n1\n2,"b"x\n3,c,d\n4,d\n5,"e') == [
            Line(2, {}, {"line": ["Has 1 cells, but the header has 2"]}),
            Line(3, {}, {"line": ["Is not CSV: ',' expected after '\"'"]}),
            Line(4, {}, {"line": ["Has 3 cells, but the header has 2"]}),
            Line(5, {"id": "4", "name": "d"}),
            Line(6, {}, {"line": ["Is not CSV: unexpected end of data"]}),
        ]

    def test_quote_that_is_not_closed_names_all_lines_that_it_takes_along(self) -> None:
        assert read(b'id,name\n1,a\n2,"b\n3,c\n4,d\n') == [
            Line(2, {"id": "1", "name": "a"}),
            Line(3, {}, {"line": ["Is not CSV: lines 3 to 5 are one row, because a quote is not closed"]}, 3),
        ]
        assert read(b'id,name\n2,"b\n3,c\n4,"d"\n5,e\n') == [
            Line(2, {}, {"line": ["Is not CSV: ',' expected after '\"' (lines 2 to 4)"]}, 3),
            Line(5, {"id": "5", "name": "e"}),
        ]
        assert read(b'id,name\n2,"b\nc",d\n') == [
            Line(2, {}, {"line": ["Has 3 cells, but the header has 2 (lines 2 to 3)"]}),
        ]

    @pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
    def test_utf_16_with_a_byte_order_mark_is_read(self, charset: str) -> None:
        content = "\ufeffid\tname\r\n1\tZo\xeb\r\n".encode(charset)
        assert read(content) == [Line(2, {"id": "1", "name": "Zo\xeb"})]
        with pytest.raises(FileError, match="but not all of it"):
            read(content + b"\x00\xd8\x00\xd8\x41")
        with pytest.raises(FileError, match="NDJSON is UTF-8"):
            read(content, NDJSON)

    @pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;"])
    def test_line_that_names_the_separator_is_read(self, first: str) -> None:
        content = f"{first}\r\nid;name\r\n1;a,b\r\n2\r\n".encode()
        assert read(content) == [
            Line(3, {"id": "1", "name": "a,b"}),
            Line(4, {}, {"line": ["Has 1 cells, but the header has 2"]}),
        ]

    def test_pipe_is_read_from_its_beginning(self) -> None:
        for content in ("id,name\n1,a\n".encode("utf-16"), b"id,name\n1,a\n"):
            reading, writing = os.pipe()
            os.write(writing, content)
            os.close(writing)
            with os.fdopen(reading, "rb") as stream:
                assert list(read_rows(stream, CSV, COLUMNS)) == [Line(2, {"id": "1", "name": "a"})]

    def test_unknown_columns_can_be_ignored(self) -> None:
        columns = COLUMNS._replace(ignored=COLUMNS.ignored | {"x", "y"})
        stream = BytesIO(b"id,x,name,y,x\n1,2,a,3,4\n")
        assert list(read_rows(stream, CSV, columns)) == [Line(2, {"id": "1", "name": "a"})]
        with pytest.raises(FileError, match="--ignore: there is no column y"):
            list(read_rows(BytesIO(b"id,x\n"), CSV, columns))

    def test_cell_with_invalid_json_is_an_error_of_its_line(self) -> None:
        assert read(b"id,info\n1,{\n2,NaN\n3,1\n") == [
            Line(2, {"id": "1"}, BAD_JSON),
            Line(3, {"id": "2"}, BAD_JSON),
            Line(4, {"id": "3", "info": 1}),
        ]

    def test_cell_that_is_not_utf_8_is_an_error_of_its_line(self) -> None:
        assert read(b"name\nJos\xe9\n") == [Line(2, {"name": "Jos\udce9"})]

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "The file is empty"),
            (b"\n1", "The file is empty"),
            (b"id,emial\n", "Unknown column 'emial'. Use id, info, name, total"),
            (
                b"emial,id,nmae\n",
                "Unknown columns 'emial', 'nmae'. Use id, info, name, total, or leave",
            ),
            (b"id,id\n", "A column is there twice"),
        ],
    )
    def test_malformed_header_is_rejected(self, content: bytes, complaint: str) -> None:
        with pytest.raises(FileError, match=complaint):
            read(content)

    def test_reader_does_not_close_the_callers_stream(self) -> None:
        stream = BytesIO(b"name\na\n")
        assert len(list(read_rows(stream, CSV, COLUMNS))) == 1
        assert stream.tell() == 7

    def test_stream_that_was_closed_meanwhile_raises_nothing_more(self) -> None:
        lines = read_rows(stream := BytesIO(b"name\na\nb\n"), CSV, COLUMNS)
        assert next(iter(lines)).number == 2
        stream.close()
        lines.close()  # type: ignore[attr-defined]  # a generator


class TestNdjson:
    def test_ndjson_is_split_by_line_feeds_only(self) -> None:
        content = '\ufeff{"id":1,"total":5}\r\n\n {"name":"a\u2028b\x85"}\n{"x":1}'.encode()
        assert read(content, NDJSON) == [
            Line(1, {"id": 1}),
            Line(3, {"name": "a\u2028b\x85"}),
            Line(4, {"x": 1}),
        ]

    @pytest.mark.parametrize("line", [b"{", b"[1]", b"1", b"null", b'{"a":NaN}', b"\xff", b"[" * 100])
    def test_ndjson_line_that_is_not_an_object_is_an_error(self, line: bytes) -> None:
        assert read(line + b"\n{}", NDJSON) == [Line(1, {}, NO_OBJECT), Line(2, {})]
