"""Differences of documents, tables, arrays, pictures and other files are located; nothing in a file makes it crash."""

from __future__ import annotations

import csv
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, PngImagePlugin

from edgebuild.build.verify.contents import READERS
from edgebuild.build.verify.locate import differences

SUMMARY = {
    "schema": 1,
    "variants": [
        {"id": "teacher-keras-fp32", "accuracy": 0.91, "sha256": "aa"},
        {"id": "pruned-onnx-int8", "accuracy": 0.87, "sha256": "bb"},
    ],
}


def pair(folder, name, committed, rebuilt):
    """Two versions of ``name`` from texts or bytes."""
    paths = []
    for side, content in (("committed", committed), ("rebuilt", rebuilt)):
        paths.append(folder / side / name)
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    return name, *paths


def test_equal_files_are_the_same(tmp_path):
    found = differences(*pair(tmp_path, "summary.json", json.dumps(SUMMARY), json.dumps(SUMMARY)))
    assert (found.same, found.where, found.tensors, found.numbers, found.others) == (True, "", {}, {}, ())


def test_a_key_is_named_with_its_path_and_both_values(tmp_path):
    other = json.loads(json.dumps(SUMMARY))
    other["variants"][1] |= {"accuracy": 0.88, "sha256": "cc"}
    found = differences(*pair(tmp_path, "summary.json", json.dumps(SUMMARY), json.dumps(other)))
    assert not found.same
    assert found.where == "variants[1 pruned-onnx-int8].accuracy: 0.87 → 0.88; 1 more place"
    assert found.numbers == {"variants[1 pruned-onnx-int8].accuracy": (0.87, 0.88)}
    assert found.others == ("variants[1 pruned-onnx-int8].sha256",)


def test_a_key_of_one_version_only_is_named(tmp_path):
    found = differences(*pair(tmp_path, "a.json", '{"a": 1}', '{"a": 1, "b": {"c": 2}}'))
    assert found.where == "only the rebuilt version has b.c"
    assert found.others == ("b.c",)


@pytest.mark.parametrize(
    ("committed", "rebuilt"), [("1", "1.0"), ("0.0", "-0.0"), ("1", "true"), ("null", "[]"), ("{}", "[]")]
)
def test_values_that_python_holds_equal_or_empty_are_told_apart(tmp_path, committed, rebuilt):
    found = differences(*pair(tmp_path, "a.json", f'{{"a": {committed}}}', f'{{"a": {rebuilt}}}'))
    assert found.where.startswith("a: ")


@pytest.mark.parametrize(
    ("committed", "rebuilt", "free"),
    [
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', "the order of keys"),
        ('{"a": 1}', '{"a":1}', "spacing"),
        ('{"a": NaN}', '{"a":NaN}', "spacing"),
    ],
)
def test_the_same_document_in_other_bytes_is_said_to_be_that(tmp_path, committed, rebuilt, free):
    found = differences(*pair(tmp_path, "a.json", committed, rebuilt))
    assert not found.same
    assert found.where.startswith(f"same content, other bytes: {free}")
    assert not found.tensors
    assert not found.numbers
    assert not found.others


documents = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=16) | st.text("ab.[0]", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.[0]", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(documents, documents)
def test_two_documents_have_the_same_content_only_if_they_are_equal_but_for_the_order_of_keys(
    tmp_path_factory, committed, rebuilt
):
    texts = [json.dumps(document, sort_keys=True) for document in (committed, rebuilt)]
    found = differences(*pair(tmp_path_factory.mktemp("documents"), "a.json", texts[0], f" {texts[1]}"))
    assert found.where.startswith("same content") == (texts[0] == texts[1])
    assert bool(found.numbers or found.others) == (texts[0] != texts[1])


def test_columns_of_one_name_are_all_compared(tmp_path):
    found = differences(*pair(tmp_path, "a.csv", "x,x\n1,2\n", "x,x\n0,2\n"))
    assert found.where == "row 1, x: 1 → 0"


def test_a_tables_cell_is_named_by_row_and_column(tmp_path):
    table = "epoch,loss\n1,0.5\n2,0.25\n"
    found = differences(*pair(tmp_path, "history.csv", table, table.replace("0.25", "0.26")))
    assert found.where == "row 2, loss: 0.25 → 0.26"
    assert found.numbers == {"row 2, loss": (0.25, 0.26)}
    ends = differences(*pair(tmp_path, "history.csv", table, table.replace("\n", "\r\n")))
    assert ends.where.startswith("same content, other bytes: line ends")


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from(["f4", "f2", "i4", "i1", "u1", "?"]),
        arrays.array_shapes(min_dims=0, max_dims=3, max_side=4),
    ),
    st.data(),
)
def test_the_one_element_that_differs_is_named(tmp_path_factory, tensor, data):
    folder = tmp_path_factory.mktemp("arrays")
    place = tuple(data.draw(st.integers(0, side - 1)) for side in tensor.shape)
    other = tensor.copy()
    other[place] = not tensor[place] if tensor.dtype == "?" else (2 if tensor[place] == 1 else 1)
    for side, values in (("old", tensor), ("new", other)):
        np.savez(folder / f"{side}.npz", first=np.ones(2), second=values)
    found = differences("data.npz", folder / "old.npz", folder / "new.npz")
    index = f"[{', '.join(map(str, place))}]" if place else ""
    assert found.where.startswith(
        f"second{index}: {tensor[place]!s} → {other[place]!s} (1 of {tensor.size} elements"
    )
    assert list(found.tensors) == ["second"]


def test_the_distance_is_the_relative_norm_and_the_largest_step(tmp_path):
    np.save(tmp_path / "old.npy", np.array([3.0, 4.0]))
    np.save(tmp_path / "new.npy", np.array([3.0, 4.5]))
    found = differences("a.npy", tmp_path / "old.npy", tmp_path / "new.npy").tensors["array"]
    assert (found.absolute, found.relative) == (0.5, 0.1)


@pytest.mark.parametrize(
    ("committed", "rebuilt"),
    [([0.0, 0.0], [0.0, 1e-9]), ([1.0, 2.0], [1.0, np.nan]), ([1.0, np.inf], [1.0, -np.inf])],
)
def test_what_has_no_finite_distance_is_infinitely_far(tmp_path, committed, rebuilt):
    np.save(tmp_path / "old.npy", committed)
    np.save(tmp_path / "new.npy", rebuilt)
    assert (
        differences("a.npy", tmp_path / "old.npy", tmp_path / "new.npy").tensors["array"].relative == np.inf
    )


def test_equal_nan_and_infinity_have_no_distance(tmp_path):
    np.save(tmp_path / "old.npy", [np.nan, np.inf, 4.0])
    np.save(tmp_path / "new.npy", [np.nan, np.inf, 5.0])
    found = differences("a.npy", tmp_path / "old.npy", tmp_path / "new.npy").tensors["array"]
    assert (found.absolute, found.relative) == (1, 0.25)


@pytest.mark.parametrize("other", [np.zeros(3, np.float32), np.zeros(2, np.float64)])
def test_another_shape_or_type_has_no_distance(tmp_path, other):
    np.save(tmp_path / "old.npy", np.zeros(2, np.float32))
    np.save(tmp_path / "new.npy", other)
    found = differences("a.npy", tmp_path / "old.npy", tmp_path / "new.npy")
    assert found.where == f"array is float32[2] → {other.dtype}[{other.size}]"
    assert found.others == ("array",)


def test_texts_in_arrays_are_values(tmp_path):
    np.savez(tmp_path / "old.npz", classes=np.array(["one", "two"]))
    np.savez(tmp_path / "new.npz", classes=np.array(["one", "ten"]))
    assert (
        differences("a.npz", tmp_path / "old.npz", tmp_path / "new.npz").where == "classes[1]: 'two' → 'ten'"
    )


@pytest.mark.parametrize(("field", "value"), [("date_time", (2024, 5, 6, 7, 8, 10)), ("compress_type", 8)])
def test_a_zip_that_differs_only_in_a_date_or_compression_says_so(tmp_path, field, value):
    np.savez(tmp_path / "old.npz", a=np.ones(3))
    with zipfile.ZipFile(tmp_path / "old.npz") as old, zipfile.ZipFile(tmp_path / "new.npz", "w") as new:
        entry = zipfile.ZipInfo("a.npy", (1980, 1, 1, 0, 0, 0))
        setattr(entry, field, value)
        new.writestr(entry, old.read("a.npy"))
    found = differences("a.npz", tmp_path / "old.npz", tmp_path / "new.npz")
    word = {"date_time": "date", "compress_type": "compression"}[field]
    assert found.where.startswith(f"same content, other bytes: zip {word} of a.npy: ")


def test_the_pixels_that_differ_are_counted_in_their_box(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "old.png")
    pixels[4:6, 7:10, 1] = 9
    Image.fromarray(pixels).save(tmp_path / "new.png")
    found = differences("plot.png", tmp_path / "old.png", tmp_path / "new.png")
    assert found.where.startswith("pixels[4, 7, 1]: 0 → 9 (6 of 600 pixels, in rows 4 to 5, columns 7 to 9; ")


def test_a_pictures_size_texts_and_compression_are_told_apart(tmp_path):
    image, software = Image.new("RGB", (20, 10)), PngImagePlugin.PngInfo()
    software.add_text("Software", "a plotter")
    image.save(tmp_path / "old.png")
    Image.new("RGB", (20, 11)).save(tmp_path / "size.png")
    image.save(tmp_path / "text.png", pnginfo=software)
    image.save(tmp_path / "packed.png", compress_level=0)
    where = {
        name: differences("plot.png", tmp_path / "old.png", tmp_path / f"{name}.png").where
        for name in ("size", "text", "packed")
    }
    assert where["size"].startswith("size: '20 x 10 RGB' → '20 x 11 RGB'")
    assert (
        where["text"].startswith("only the committed version has metadata")
        or "metadata.Software" in where["text"]
    )
    assert where["packed"].startswith("same content, other bytes: compression")


def test_a_line_of_another_kind_of_text_is_named(tmp_path):
    found = differences(*pair(tmp_path, "labels.txt", "zero\none\n", "zero\nuno\n"))
    assert found.where == "line 2: 'one' → 'uno'"
    assert found.others == ("labels.txt",)


def test_the_first_byte_of_any_other_file_is_shown_with_what_is_around_it(tmp_path):
    found = differences(
        *pair(tmp_path, "a.bin", bytes(range(200)), bytes([*range(150), 0, *range(151, 200)]))
    )
    assert found.where.startswith("first at byte 150 (0x96) of 200; from 142 on: 8e 8f 90 91 92 93 94 95 96 ")
    longer = differences(*pair(tmp_path, "b.bin", b"\xff\0" * 9, b"\xff\0" * 10))
    assert longer.where.startswith("first at byte 18 (0x12) of 18 → 20; ")


def test_in_a_folder_the_file_and_the_place_in_it_are_named(tmp_path):
    for side, value in (("old", 1), ("new", 2)):
        (tmp_path / side / "deep").mkdir(parents=True)
        (tmp_path / side / "deep/a.json").write_text(json.dumps({"a": value}))
        (tmp_path / side / "same").write_text("same")
    found = differences("folder", tmp_path / "old", tmp_path / "new")
    assert found.where == "deep/a.json: a: 1 → 2"
    assert found.numbers == {"deep/a.json: a": (1, 2)}
    (tmp_path / "old/more").write_text("")
    assert (
        differences("folder", tmp_path / "old", tmp_path / "new").where
        == "only the committed version has more"
    )
    assert differences("folder", tmp_path / "old", tmp_path / "old").same


def test_what_is_missing_or_a_folder_in_one_version_is_said(tmp_path):
    (tmp_path / "file").write_text("a")
    (tmp_path / "folder").mkdir()
    assert differences("a", tmp_path / "file", tmp_path / "none").where == "there is no rebuilt version"
    assert "is a folder" in differences("a", tmp_path / "file", tmp_path / "folder").where


@pytest.mark.parametrize("ending", [ending for ending in READERS if ending not in (".csv", ".mlpackage")])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe no such file", b"PK\x03\x04 cut off"])
def test_a_damaged_file_of_any_kind_is_reported(tmp_path, ending, content):
    found = differences(*pair(tmp_path, f"a{ending}", content, content + b"more"))
    assert (
        "version cannot be read (" in found.where or ending == ".onnx"
    )  # to protobuf, no bytes are an empty model
    assert "\n" not in found.where
    assert found.others


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_tables_are_compared(tmp_path_factory, committed, rebuilt):
    folder = tmp_path_factory.mktemp("tables")
    for side, text in (("old", committed), ("new", rebuilt)):
        with (folder / side).open("w", newline="", encoding="utf-8", errors="replace") as file:
            csv.writer(file).writerows(text.split() for text in text.split(","))
    found = differences("a.csv", folder / "old", folder / "new")
    assert found.same == ((folder / "old").read_bytes() == (folder / "new").read_bytes())
    assert "\n" not in found.where
