"""Files from anywhere: what each line says, or why it cannot be read."""

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
    def test_however_a_spreadsheet_writes_it(self, mark: bytes, end: bytes, start: bytes) -> None:
        lines = [b"id,name,info,total", b'1,Ann,"{""a"":1}",5', b",,,", b"2,'=1,,"]
        content = start + end.join(line.replace(b",", mark) for line in lines)
        assert read(content) == [
            Line(2, {"id": "1", "name": "Ann", "info": {"a": 1}}),
            Line(3, {"name": ""}),
            Line(4, {"id": "2", "name": "=1"}),
        ]

    def test_a_cell_may_have_line_feeds_which_count(self) -> None:
        assert read(b'name\n"a\nb"\n\n"c\r\nd"\ne\n') == [
            Line(2, {"name": "a\nb"}),
            Line(5, {"name": "c\r\nd"}),
            Line(7, {"name": "e"}),
        ]

    def test_a_line_that_is_none_does_not_stop_the_next(self) -> None:
        assert read(b'id,name\n1\n2,"b"x\n3,c,d\n4,d\n5,"e') == [
            Line(2, {}, {"line": ["Has 1 cells, but the header has 2"]}),
            Line(3, {}, {"line": ["Is not CSV: ',' expected after '\"'"]}),
            Line(4, {}, {"line": ["Has 3 cells, but the header has 2"]}),
            Line(5, {"id": "4", "name": "d"}),
            Line(6, {}, {"line": ["Is not CSV: unexpected end of data"]}),
        ]

    def test_json_that_is_none_is_named(self) -> None:
        assert read(b"id,info\n1,{\n2,NaN\n3,1\n") == [
            Line(2, {"id": "1"}, BAD_JSON),
            Line(3, {"id": "2"}, BAD_JSON),
            Line(4, {"id": "3", "info": 1}),
        ]

    def test_what_is_not_utf_8_stays_apart(self) -> None:
        assert read(b"name\nJos\xe9\n") == [Line(2, {"name": "Jos\udce9"})]

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "The file is empty"),
            (b"\n1", "The file is empty"),
            (b"id,emial\n", "Unknown column 'emial'; known are id, info, name, total"),
            (b"id,id\n", "A column is there twice"),
        ],
    )
    def test_a_header_that_is_none(self, content: bytes, complaint: str) -> None:
        with pytest.raises(FileError, match=complaint):
            read(content)

    def test_the_stream_stays_the_callers(self) -> None:
        stream = BytesIO(b"name\na\n")
        assert len(list(read_rows(stream, CSV, COLUMNS))) == 1
        assert stream.tell() == 7


class TestNdjson:
    def test_by_line_feeds_alone(self) -> None:
        content = '\ufeff{"id":1,"total":5}\r\n\n {"name":"a\u2028b\x85"}\n{"x":1}'.encode()
        assert read(content, NDJSON) == [
            Line(1, {"id": 1}),
            Line(3, {"name": "a\u2028b\x85"}),
            Line(4, {"x": 1}),
        ]

    @pytest.mark.parametrize("line", [b"{", b"[1]", b"1", b"null", b'{"a":NaN}', b"\xff", b"[" * 100])
    def test_a_line_that_is_no_object(self, line: bytes) -> None:
        assert read(line + b"\n{}", NDJSON) == [Line(1, {}, NO_OBJECT), Line(2, {})]
