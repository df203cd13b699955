"""Downloads from servers that change, forget or confuse what they serve: never bytes of two versions in one file."""

import numpy as np
import pytest
from web import serving

from cortado.manifest.transfer import transfer

CONTENT, OTHER = (np.random.default_rng(seed).bytes(300_000) for seed in (1, 2))
BLOCK = 1 << 16


@pytest.fixture
def server():
    with serving() as running:
        running.contents["/a"] = CONTENT
        yield running


@pytest.fixture
def part(tmp_path):
    return tmp_path / "a.part"


def ignore(there, total):
    pass


def get(server, part, *, checked=False):
    transfer(f"{server.address}/a", part, checked=checked, told=ignore)
    return part.read_bytes()


def stopped(server, part, *, checked=False, at=2 * BLOCK):
    """A download that is stopped for good after some blocks."""
    server.cuts = [at, 0]
    with pytest.raises(ConnectionError, match=r"cannot download .*/a: .* bytes are in .*a.part"):
        get(server, part, checked=checked)
    server.cuts.clear()
    server.requested.clear()


def test_progress_is_told_from_beginning_to_end(server, part):
    told = []
    transfer(f"{server.address}/a", part, checked=True, told=lambda *numbers: told.append(numbers))
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("checked", [True, False])
def test_a_file_that_has_a_version_is_continued_with_and_without_checksum(server, part, checked):
    server.tags["/a"] = '"one"'
    stopped(server, part, checked=checked)
    assert get(server, part, checked=checked) == CONTENT
    assert server.requested == [f"bytes={2 * BLOCK}-"]
    assert [path.name for path in part.parent.iterdir()] == ["a.part"]


def test_a_file_without_a_version_is_continued_for_a_checksum_alone(server, part):
    stopped(server, part, checked=True)
    assert get(server, part, checked=True) == CONTENT
    assert server.requested == [f"bytes={2 * BLOCK}-"]
    part.unlink()
    stopped(server, part, checked=False)
    assert get(server, part, checked=False) == CONTENT
    assert server.requested == [None]


@pytest.mark.parametrize("tag", ['"one"', 'W/"one"', None])
@pytest.mark.parametrize("length", [1_000, 2 * BLOCK, 300_000, 400_000])
def test_a_file_that_has_changed_is_never_spliced(server, part, tag, length):
    if tag:
        server.tags["/a"] = tag
    stopped(server, part)
    server.contents["/a"] = OTHER[:length] if length <= len(OTHER) else OTHER + CONTENT[:100_000]
    if tag:
        server.tags["/a"] = tag.replace("one", "two")
    assert get(server, part) == server.contents["/a"]


def test_a_file_that_changes_within_a_download_is_never_spliced(server, part):
    server.tags["/a"] = '"one"'

    def changed(handler):
        server.tags["/a"], server.contents["/a"] = '"two"', OTHER
        server.requested.pop()
        handler.do_GET()

    server.cuts, server.answers = [2 * BLOCK], [None, changed]
    assert get(server, part) == OTHER


def wrong_place(handler):
    handler.answer(206, CONTENT[BLOCK:], **{"Content-Range": f"bytes {BLOCK}-{len(CONTENT) - 1}/{len(CONTENT)}"})


def without_place(handler):
    handler.answer(206, CONTENT[2 * BLOCK :])


def other_version(handler):
    handler.answer(
        206,
        OTHER[2 * BLOCK :],
        **{"ETag": '"two"', "Content-Range": f"bytes {2 * BLOCK}-{len(CONTENT) - 1}/{len(CONTENT)}"},
    )


def unsatisfiable(handler):
    handler.answer(416)


def unsatisfiable_for_a_whole_file(handler):
    handler.answer(416, **{"Content-Range": f"bytes */{2 * BLOCK}", "ETag": '"two"'})


@pytest.mark.parametrize(
    "answer", [wrong_place, without_place, other_version, unsatisfiable, unsatisfiable_for_a_whole_file]
)
def test_an_answer_that_is_not_the_rest_begins_anew(server, part, answer):
    server.tags["/a"] = '"one"'
    stopped(server, part)
    server.answers = [answer]
    assert get(server, part) == CONTENT
    assert server.requested == [f"bytes={2 * BLOCK}-", None]


def test_a_part_that_is_the_whole_file_is_taken_of_the_same_version(server, part):
    server.tags["/a"] = '"one"'
    stopped(server, part, at=4 * BLOCK)
    part.write_bytes(CONTENT)
    assert get(server, part) == CONTENT
    assert server.requested == [f"bytes={len(CONTENT)}-"]


def test_more_bytes_than_promised_begin_anew(server, part):
    server.tags["/a"] = '"one"'
    stopped(server, part)
    extent = {"Content-Range": f"bytes {2 * BLOCK}-{len(CONTENT) - 1}/{len(CONTENT)}"}
    server.answers = [lambda handler: handler.answer(206, CONTENT[2 * BLOCK :] + b"more", **extent)]
    assert get(server, part) == CONTENT


def test_fewer_bytes_than_promised_are_followed_by_the_rest(server, part):
    server.tags["/a"] = '"one"'
    stopped(server, part)
    extent = {"Content-Range": f"bytes {2 * BLOCK}-{len(CONTENT) - 1}/{len(CONTENT)}"}
    server.answers = [lambda handler: handler.answer(206, CONTENT[2 * BLOCK : 3 * BLOCK], **extent)]
    assert get(server, part) == CONTENT
    assert server.requested == [f"bytes={2 * BLOCK}-", f"bytes={3 * BLOCK}-"]


def test_a_server_that_never_sends_the_rest_is_told(server, part):
    stopped(server, part, checked=True)

    def confused(handler):
        if handler.headers.get("Range"):
            wrong_place(handler)
        else:
            server.cuts = [2 * BLOCK]
            handler.answer(200, CONTENT)

    server.answers = 20 * [confused]
    with pytest.raises(ConnectionError, match=r"cannot download http.*/a: asked for the bytes from 131072 on"):
        get(server, part, checked=True)


def test_a_server_that_refuses_even_the_whole_file_is_told(server, part):
    server.answers = [unsatisfiable]
    with pytest.raises(ConnectionError, match="the server answers 416"):
        get(server, part)
