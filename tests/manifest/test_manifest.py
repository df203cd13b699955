"""Manifests: what they may say, what coffea gets, and downloads from a server that misbehaves on demand."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from web import serving

from cortado import manifest

CONTENT = np.random.default_rng(1).bytes(3_000_000)
BLOCK = 1 << 16
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
HEAD = 'name = "toy"\ndescription = "d"\nlicence = "CC0-1.0"\ncitation = "c"\n'


def load(tmp_path, text, head=HEAD):
    (tmp_path / "toy.toml").write_text(head + text)
    return manifest.load(tmp_path / "toy.toml")


# ---- what a manifest says


def test_all_that_a_sample_may_say(tmp_path):
    toy = load(
        tmp_path,
        f"""
        [samples.w]
        tree = "tree"
        cross_section = 12
        label = "W"
        files = [
          "root://host:1094//store/a.root",
          "https://host/b.root?download=1",
          "here/c.root",
          {{ url = "https://host/d.tar", path = "archives/d.tar", sha256 = "{SHA256.upper()}", unpack = "*.root" }},
          {{ url = "https://host/e.root", md5 = "{MD5}" }},
        ]
        [samples.qcd]
        recipe = {{ process = "qcd", jets = 10 }}
        """,
    )
    w, qcd = toy.samples
    assert (w.name, w.tree, w.cross_section, w.label, w.recipe) == ("w", "tree", 12, "W", None)
    assert w.files == (
        manifest.File(path="root://host:1094//store/a.root"),
        manifest.File(path="b.root", url="https://host/b.root?download=1"),
        manifest.File(path="here/c.root"),
        manifest.File(path="archives/d.tar", url="https://host/d.tar", checksum=f"sha256:{SHA256}", unpack="*.root"),
        manifest.File(path="e.root", url="https://host/e.root", checksum=f"md5:{MD5}"),
    )
    assert qcd == manifest.Sample(
        name="qcd", files=(manifest.File(path="qcd.root"),), recipe={"process": "qcd", "jets": 10}
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("[samples.w]\nfiels = ['a.root']", r"toy.toml: sample 'w' has the unknown key 'fiels'; nearest: files"),
        ("[samples.w]\nfiles = [{url = 'https://h/a', md = ''}]", "files has the unknown key 'md'; nearest: md5"),
        ("licens = 'x'\n[samples.w]\nfiles = []", "toy.toml has the unknown key 'licens'; nearest: licence"),
        ("zzz = 1\n[samples.w]\nfiles = []", "unknown key 'zzz'; there are citation, description, homepage, licence"),
        ("", "toy.toml lacks samples"),
        ("[samples.w]\nlabel = 'W'", "sample 'w' needs files to download or a recipe to simulate"),
        ("[samples.w]\nfiles = []", "sample 'w' needs files to download or a recipe"),
        ("[samples.w]\nfiles = [{md5 = 'x'}]", "sample 'w': a file needs a url or a path"),
        ("[samples.w]\nfiles = [{path = 'a', md5 = 'x'}]", "md5 = 'x' is not a checksum of 32 hexadecimal digits"),
        (f"[samples.w]\nfiles = [{{path = 'a', sha256 = '{MD5}'}}]", "is not a checksum of 64 hexadecimal digits"),
        ("[samples.w]\nfiles = ['../a.root']", r"the path '../a.root' leads out of the folder"),
        ("[samples.w]\nfiles = ['/etc/a.root']", "the path '/etc/a.root' leads out of the folder"),
        ("[samples.'../../w']\nfiles = ['a.root']", "sample '../../w': the path '../../w' leads out of the folder"),
        ("[samples.'/w']\nfiles = ['a.root']", "sample '/w': the path '/w' leads out of the folder"),
        ("[samples.'..']\nfiles = ['a.root']", "sample '..': the path '..' leads out of the folder"),
        ("[samples.'']\nfiles = ['a.root']", "sample '': the path '' is no name of a folder"),
        ("[samples.'a/b']\nfiles = ['a.root']", "sample 'a/b': the path 'a/b' is no name of a folder"),
        ('[samples."a\\\\..\\\\b"]\nrecipe = {jets = 3}', "leads out of the folder"),
        ('[samples."w\\u0000"]\nfiles = ["a.root"]', "leads out of the folder"),
        ("[samples.w]\nfiles = ['C:/a.root']", "the path 'C:/a.root' leads out of the folder"),
        ("[samples.w]\nfiles = ['a/.']", "the path 'a/.' is no name of a file"),
        ("[samples.w]\nfiles = ['https://host/..']", "the path '..' leads out of the folder"),
        (
            "[samples.w]\nfiles = [{url = 'https://h/a.tar', unpack = '../*'}]",
            r"the path '../\*' leads out of the folder",
        ),
        ("[samples.w]\nfiles = [{url = 'https://h/a.tar', unpack = '/etc/*'}]", r"the path '/etc/\*' leads out"),
        ("[samples.w]\nfiles = [3]", "has 3 among its files, required: a url, a path"),
        ("[samples.w]\nfiles = [{path = 3}]", "has path = 3, required: a text"),
        ("[samples.w]\nfiles = [{path = 'a', md5 = 3}]", "has md5 = 3, required: a text"),
        ("[samples.w]\nfiles = 'a.root'", "has files = 'a.root', required: a list"),
        ("[samples.w]\nrecipe = 3", "has recipe = 3, required: a table"),
        ("[samples.w]\nrecipe = {jets = 3}\ntree = 3", "has tree = 3, required: a text"),
        ("[samples.w]\nfiles = ['a']\ncross_section = -1", "has cross_section = -1; a number of pb above 0"),
        ("[samples.w]\nfiles = ['a']\ncross_section = '1'", "has cross_section = '1'; a number of pb above 0"),
        ("[samples.w\n", "toy.toml is not valid TOML: "),
        ("samples = 3", "toy.toml: samples must be tables"),
    ],
)
def test_what_a_manifest_must_not_say(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, text)


def test_no_such_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing.toml"):
        manifest.load(tmp_path / "nothing.toml")


PUBLISHED = sorted((Path(__file__).parents[2] / "data_manifests").glob("*.toml"))
WITHOUT_CHECKSUMS = {"lhc_olympics", "set2graph", "calogan"}  # says so


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_the_manifests_of_the_project_load_and_are_complete(path):
    published = manifest.load(path)
    assert published.name == path.stem
    files = [file for sample in published.samples for file in sample.files]
    assert len({file.path for file in files}) == len(files)
    for sample in published.samples:
        for file in sample.files:
            assert (file.url is None) == (sample.recipe is not None)
            assert file.url is None or file.checksum or published.name in WITHOUT_CHECKSUMS


# ---- fileset


def test_fileset_is_what_coffea_runs_on(tmp_path):
    from coffea.nanoevents import BaseSchema
    from coffea.processor import IterativeExecutor, ProcessorABC, Runner

    from cortado import ntuples

    class Count(ProcessorABC):
        def process(self, events):
            counted = {"entries": len(events), "cross_section": events.metadata["cross_section"]}
            return {events.metadata["dataset"]: counted}

        def postprocess(self, accumulator):
            return accumulator

    toy = load(tmp_path, "[samples.w]\ncross_section = 2.5\nlabel = 'W'\ntree = 'tree'\nrecipe = {jets = 3}")
    ntuples.write(tmp_path / "w.root", "tree", [{"x": np.arange(7.0)}])
    fileset = manifest.fileset(toy, tmp_path)
    assert fileset == {"w": {"files": {f"{tmp_path}/w.root": "tree"}, "metadata": {"cross_section": 2.5, "label": "W"}}}
    run = Runner(IterativeExecutor(status=False), schema=BaseSchema)
    assert run(fileset, Count()) == {"w": {"entries": 7, "cross_section": 2.5}}


def test_fileset_keeps_urls_and_says_how_to_get_what_is_missing(tmp_path):
    remote = load(tmp_path, "[samples.w]\nfiles = ['root://host//a.root']")
    assert manifest.fileset(remote, tmp_path)["w"] == {"files": {"root://host//a.root": "Events"}, "metadata": {}}
    simulated = load(tmp_path, "[samples.w]\nrecipe = {jets = 3}")
    with pytest.raises(
        FileNotFoundError, match=r"w.root, of sample 'w' of 'toy', .*; `cortado simulate` makes it, from .*'jets'"
    ):
        manifest.fileset(simulated, tmp_path)
    published = load(tmp_path, "[samples.w]\nfiles = ['https://host/a.root']")
    with pytest.raises(
        FileNotFoundError, match=r"a.root, of .*, does not exist; `cortado fetch .*toy.toml` downloads it"
    ):
        manifest.fileset(published, tmp_path)
    archive = load(tmp_path, "[samples.w]\nfiles = [{url = 'https://host/a.tar', unpack = '*.root'}]")
    with pytest.raises(FileNotFoundError, match=r"w/\*.root, of .*, does not exist; `cortado fetch"):
        manifest.fileset(archive, tmp_path)


# ---- downloads


@pytest.fixture
def server():
    with serving() as running:
        running.contents["/a.root"] = CONTENT
        yield running


def described(tmp_path, server, name="a.root", **keys):
    keys = "".join(f", {key} = '{value}'" for key, value in keys.items())
    return load(tmp_path, f"[samples.w]\nfiles = [{{ url = '{server.address}/{name}'{keys} }}]")


@pytest.mark.parametrize("checksum", [{"sha256": SHA256}, {"md5": MD5}])
def test_a_file_is_downloaded_once(tmp_path, server, checksum):
    toy = described(tmp_path, server, **checksum)
    kind, digits = next(iter(checksum.items()))
    expected = [manifest.Fetched(tmp_path / "data/a.root", f"{kind}:{digits}", True)]
    assert manifest.fetch(toy, tmp_path / "data", progress=False) == expected
    assert manifest.fetch(toy, tmp_path / "data", progress=False) == expected
    assert (tmp_path / "data/a.root").read_bytes() == CONTENT
    assert server.requested == [None]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["a.root"]
    assert manifest.verify(toy, tmp_path / "data") == expected


def test_a_broken_connection_is_resumed(tmp_path, server):
    server.cuts = [20 * BLOCK + 500, 9 * BLOCK + 500]
    manifest.fetch(described(tmp_path, server, sha256=SHA256), tmp_path, progress=False)
    assert (tmp_path / "a.root").read_bytes() == CONTENT
    assert server.requested == [None, f"bytes={20 * BLOCK}-", f"bytes={29 * BLOCK}-"]


def test_a_download_goes_on_after_the_program_was_stopped(tmp_path, server):
    toy = described(tmp_path, server, sha256=SHA256)
    server.cuts = [25 * BLOCK, 0]
    with pytest.raises(ConnectionError, match=r"cannot download .*/a.root: .*; 1638400 bytes are in .*a.root.part"):
        manifest.fetch(toy, tmp_path, progress=False)
    assert not (tmp_path / "a.root").exists()
    server.requested.clear()
    server.cuts.clear()
    manifest.fetch(toy, tmp_path, progress=False)
    assert server.requested == ["bytes=1638400-"]
    assert (tmp_path / "a.root").read_bytes() == CONTENT
    assert not (tmp_path / "a.root.part").exists()


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"more"], ids=["complete", "too long"])
def test_a_part_that_is_not_shorter_than_the_file(tmp_path, server, part):
    (tmp_path / "a.root.part").write_bytes(part)
    manifest.fetch(described(tmp_path, server, sha256=SHA256), tmp_path, progress=False)
    assert (tmp_path / "a.root").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_anew(tmp_path, server):
    server.ranges_known = False
    (tmp_path / "a.root.part").write_bytes(CONTENT[:1000])
    manifest.fetch(described(tmp_path, server, sha256=SHA256), tmp_path, progress=False)
    assert (tmp_path / "a.root").read_bytes() == CONTENT


def test_wrong_checksum_names_file_url_expected_and_found(tmp_path, server):
    server.contents["/a.root"] = b"something else"
    digest = hashlib.sha256(b"something else").hexdigest()
    message = rf"a.root from {server.address}/a.root has a wrong checksum: .*{SHA256}.*{digest}"
    with pytest.raises(ValueError, match=message):
        manifest.fetch(described(tmp_path, server, sha256=SHA256), tmp_path, progress=False)
    assert not list(tmp_path.glob("a.root*"))


def test_without_a_published_checksum_the_found_one_is_kept_and_checked(tmp_path, server):
    toy = described(tmp_path, server)
    with pytest.warns(UserWarning, match=rf"no checksum for .*a.root: .* SHA256 {SHA256} is kept in a.root.sha256"):
        fetched = manifest.fetch(toy, tmp_path, progress=False)
    assert fetched == [manifest.Fetched(tmp_path / "a.root", f"sha256:{SHA256}", False)]
    assert manifest.verify(toy, tmp_path) == fetched
    (tmp_path / "a.root").write_bytes(b"edited")
    with pytest.raises(ValueError, match=rf"a.root has the SHA256 \w+, a.root.sha256 says {SHA256}: it was changed"):
        manifest.fetch(toy, tmp_path, progress=False)


@pytest.mark.filterwarnings("ignore:the manifest has no checksum")
def test_an_old_part_is_not_trusted_without_a_checksum(tmp_path, server):
    (tmp_path / "a.root.part").write_bytes(b"from another version of the file")
    manifest.fetch(described(tmp_path, server), tmp_path, progress=False)
    assert (tmp_path / "a.root").read_bytes() == CONTENT


def test_file_that_the_server_does_not_have(tmp_path, server):
    with pytest.raises(ConnectionError, match=rf"{server.address}/gone.root: the server answers 404 Not Found"):
        manifest.fetch(described(tmp_path, server, "gone.root", sha256=SHA256), tmp_path, progress=False)


def test_nobody_listens(tmp_path, server):
    toy = described(tmp_path, server, sha256=SHA256)
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match=rf"cannot download {server.address}/a.root: .*refused"):
        manifest.fetch(toy, tmp_path, progress=False)


def test_nothing_to_download(tmp_path):
    toy = load(tmp_path, "[samples.w]\nrecipe = {jets = 3}")
    with pytest.raises(ValueError, match=r"'toy' has nothing to download: `cortado simulate` makes .*toy.toml"):
        manifest.fetch(toy, tmp_path, progress=False)


def archive(**members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members.items():
            information = tarfile.TarInfo(name)
            information.size = len(content)
            tar.addfile(information, io.BytesIO(content))
    return stream.getvalue()


def test_archives_are_unpacked_into_the_folder_of_the_sample(tmp_path, server):
    content = archive(
        **{"val_5M/W_000.root": b"w", "val_5M/Q_000.root": b"q", "val_5M/README": b"", "../../up.root": b"u"}
    )
    server.contents["/val.tar"] = content
    toy = described(
        tmp_path, server, "val.tar", sha256=hashlib.sha256(content).hexdigest(), unpack="*.root", path="val.tar"
    )
    manifest.fetch(toy, tmp_path / "data", progress=False)
    files = manifest.fileset(toy, tmp_path / "data")["w"]["files"]
    assert [Path(path).relative_to(tmp_path).as_posix() for path in files] == [
        "data/w/Q_000.root",
        "data/w/W_000.root",
        "data/w/up.root",
    ]
    assert (tmp_path / "data/w/W_000.root").read_bytes() == b"w"
    (tmp_path / "data/w/W_000.root").unlink()
    manifest.fetch(toy, tmp_path / "data", progress=False)
    assert (tmp_path / "data/w/W_000.root").exists()


def test_members_of_an_archive_stay_in_the_folder_of_their_sample(tmp_path, server):
    content = archive(**{"../../W.root": b"1", "/X.root": b"2", "a/..": b"3"})
    server.contents["/a.tar"] = content
    toy = described(tmp_path, server, "a.tar", md5=hashlib.md5(content).hexdigest(), unpack="*")
    with pytest.raises(ValueError, match=r"a.tar has a member 'a/..', which leads out of"):
        manifest.fetch(toy, tmp_path / "data", progress=False)
    assert not list(tmp_path.rglob("*.root"))


def test_an_archive_with_two_files_of_a_name(tmp_path, server):
    content = archive(**{"train/W.root": b"1", "test/W.root": b"2"})
    server.contents["/a.tar"] = content
    toy = described(tmp_path, server, "a.tar", md5=hashlib.md5(content).hexdigest(), unpack="*.root")
    with pytest.raises(ValueError, match=r"a.tar has two files W.root: train/W.root and test/W.root"):
        manifest.fetch(toy, tmp_path, progress=False)


def test_a_full_disk_keeps_the_part_for_later(tmp_path, server):
    resource = pytest.importorskip("resource")
    toy = described(tmp_path, server, sha256=SHA256)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            manifest.fetch(toy, tmp_path, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    manifest.fetch(toy, tmp_path, progress=False)
    assert server.requested[1] == "bytes=1000000-"
    assert (tmp_path / "a.root").read_bytes() == CONTENT


def test_verify_of_simulated_files_writes_nothing(tmp_path):
    toy = load(tmp_path, "[samples.w]\nrecipe = {jets = 3}")
    (tmp_path / "w.root").write_bytes(CONTENT)
    assert manifest.verify(toy, tmp_path) == [manifest.Fetched(tmp_path / "w.root", f"sha256:{SHA256}", False)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.toml", "w.root"]


def test_verify_lists_all_that_is_wrong(tmp_path):
    text = f"files = [{{ path = 'a.root', sha256 = '{SHA256}' }}, {{ path = 'b.root', md5 = '{MD5}' }}]"
    toy = load(tmp_path, f"[samples.w]\n{text}\n[samples.qcd]\nfiles = ['c.root']")
    (tmp_path / "a.root").write_bytes(b"edited")
    (tmp_path / "b.root").write_bytes(CONTENT)
    with pytest.raises(ValueError, match="2 files of 'toy' are not right") as caught:
        manifest.verify(toy, tmp_path)
    first, second = str(caught.value).splitlines()[1:]
    assert f"a.root has the sha256 {hashlib.sha256(b'edited').hexdigest()}, the manifest says {SHA256}" in first
    assert second == f"sample 'qcd': {tmp_path}/c.root does not exist"
