"""CSV files as people really have them, and the line and column of what is wrong."""

import numpy as np
import pytest

from gradscope.datasets import DATASETS
from gradscope.errors import BadRequest
from tests.each_case import each_case


@pytest.fixture
def read(tmp_path):
    def read(content, **parameters):
        path = tmp_path / "table.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return DATASETS["csv"](path=str(path), **{"test_fraction": 0.0, **parameters})

    return read


def test_the_last_column_is_the_label_and_text_becomes_sorted_classes(read):
    samples = read("a,b,kind\n1,2,pear\n3,4.5,apple\n-5e-1,6,pear\n")
    assert np.array_equal(samples.x, [[1, 2], [3, 4.5], [-0.5, 6]])
    assert np.array_equal(samples.y, [1, 0, 1])
    assert (samples.task, samples.classes) == ("classification", 2)
    assert samples.class_names == ("apple", "pear")
    assert samples.y.dtype == np.int64


def test_a_named_label_column_may_stand_anywhere(read):
    samples = read("kind,a,b\n1,2,3\n0,4,5\n", label="kind")
    assert np.array_equal(samples.x, [[2, 3], [4, 5]])
    assert np.array_equal(samples.y, [1, 0])


def test_integers_that_do_not_start_at_0_are_numbered_and_keep_their_names(read):
    samples = read("a,y\n1,10\n2,-1\n3,9\n4,10\n")
    assert np.array_equal(samples.y, [2, 0, 1, 2])
    assert samples.class_names == ("-1", "9", "10")


def test_decimal_labels_are_targets_unless_asked_otherwise(read):
    table = "a,y\n1,1.0\n2,2.0\n3,1.0\n"
    assert read(table).task == "regression"
    assert np.array_equal(read(table).y, [1.0, 2.0, 1.0])
    samples = read(table, task="classification")
    assert (samples.classes, samples.class_names) == (2, ("1", "2"))
    prices = read("a,y\n1,10\n2,20\n", task="regression")
    assert (prices.task, prices.classes, prices.y.dtype) == ("regression", None, np.float64)


def test_what_spreadsheets_and_editors_leave_in_a_file(read):
    samples = read(
        '\ufeff"a, b";"say ""c""";kind\r\n\r\n1; 2;"x;\ny"\r\n;;\r\n3;4; z \r\n   \r\n',
        delimiter="semicolon",
        label="kind",
    )
    assert np.array_equal(samples.x, [[1, 2], [3, 4]])
    assert samples.class_names == ("x;\\x0ay", "z")
    assert np.array_equal(read("1\t2\tu\n3\t4\tv", header=False, delimiter="tab").y, [0, 1])


def test_a_byte_order_mark_is_not_part_of_the_first_name(read):
    assert np.array_equal(read("\ufeffkind,a\nu,1\nv,2\n", label="kind").x, [[1], [2]])


def test_control_characters_in_names_cannot_reach_a_terminal(read):
    assert read("a,y\n1,\x1b[31m\n2,ok\n").class_names == ("\\x1b[31m", "ok")


BAD = {
    "text": ("a,b,y\n1,2,0\n1,n/a,1\n", {}, r"table\.csv:3: column 'b': 'n/a' is not a number"),
    "nan": ("a,b,y\n1,2,0\nnan,2,1\n", {}, r":3: column 'a': nan is not a finite number"),
    "overflow": ("a,y\n1e999,1\n2,0\n", {}, r":2: column 'a': inf is not a finite number"),
    "underscore": ("a,y\n1,0\n1_000,1\n", {}, r":3: column 'a': '1_000' is not a number"),
    "empty cell": ("a,b,y\n1,2,0\n\n1, ,1\n", {}, r":4: column 'b': the cell is empty"),
    "ragged": ("a,b,y\n1,2,0\n1,2\n", {}, r":3: 2 cells where 3 columns are expected"),
    "after a quoted newline": ('a,y\n1,"p\nq"\n1,2,3\n', {}, r":4: 3 cells where 2 columns"),
    "escape": ("a,y\n\x1b[2J,1\n", {}, r":2: column 'a': '\\x1b\[2J' is not a number"),
    "long cell": (f"a,y\n{'z' * 500},1\n", {}, r"'z{76}\.\.\. is not a number"),
    "open quote": ('a,y\n1,0\n"1,0\n', {}, r":3: not valid CSV: unexpected end of data"),
    "not utf-8": (b"a,y\n1,\xff\n", {}, "is not UTF-8"),
    "empty": ("", {}, "is empty"),
    "blank": ("\n \n", {}, "is empty"),
    "header only": ("a,y\n", {}, "has a header but no row"),
    "no header": ("1,2\n3,4\n", {}, r":1: the header is all numbers\n  header: false"),
    "one column": ("a\n1\n", {}, r":1: one column; .*\n  is data\.delimiter right"),
    "row index": (",a,y\n0,5,1\n", {}, r":1: column 1 has no name; a row index .*\n.*index=False"),
    "unknown label": ("a,y\n1,0\n", {"label": "z"}, r"has no columns named 'z'\n.*'a', 'y'"),
    "double label": ("y,y\n1,0\n", {"label": "y"}, "has 2 columns named 'y'"),
    "header as data": ("a,y\n1,0\n", {"header": False}, r":1: column '1': 'a' is not a number"),
    "empty label": ("a,y\n1,0\n2,\n", {}, r":3: label column 'y': '' is empty"),
    "mixed labels": ("a,y\n1,0\n2,1\n3,?\n", {}, r":4: label column 'y': '\?' stands in a column"),
    "mostly text": ("a,y\n1,u\n2,1\n3,v\n", {}, r":3: label column 'y': '1' stands in a column"),
    "text as target": ("a,y\n1,2\n2,u\n", {"task": "regression"}, r":3: .*'u' is not a number"),
    "half a class": (
        "a,y\n1,1.0\n2,1.5\n",
        {"task": "classification"},
        r":3: .*'1\.5' is not a whole",
    ),
    "one class": ("a,y\n1,u\n2,u\n", {}, r":2: label column 'y': 'u' stands in every row"),
    "all different": (
        "a,y\n" + "".join(f"1,{n}\n" for n in range(30)),
        {},
        r"'y' has 30 different values in 30 rows",
    ),
}


@each_case("case", BAD)
def test_a_bad_file_is_refused_with_its_line_and_column(read, case):
    content, parameters, message = BAD[case]
    with pytest.raises(BadRequest, match=message):
        read(content, **parameters)


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(BadRequest, match=r"there is no file .*nowhere\.csv"):
        DATASETS["csv"](path=tmp_path / "nowhere.csv")
    with pytest.raises(BadRequest, match="is not a regular file"):
        DATASETS["csv"](path=tmp_path)


def test_a_file_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as stream:
        stream.truncate(2**30 + 1)
    with pytest.raises(BadRequest, match="is larger than 1 GiB"):
        DATASETS["csv"](path=path)


def test_the_split_is_the_same_each_time_and_mixes_a_sorted_file(read):
    table = "a,y\n" + "".join(f"{n},{n // 50}\n" for n in range(100))
    first, again = (read(table, test_fraction=0.2) for _ in range(2))
    assert np.array_equal(first.x, again.x)
    assert (len(first.x), len(first.x_test)) == (80, 20)
    assert 0 < first.y_test.mean() < 1
    assert np.array_equal(first.rows, first.x[:, 0])
