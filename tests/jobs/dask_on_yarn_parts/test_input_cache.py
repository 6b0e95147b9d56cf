"""The input cache: right bytes in every case, fewer reads from the bucket, a bounded directory, nothing else."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from dask_on_yarn import block_store, input_cache, nfs_files
from dask_on_yarn.block_store import BLOCK_BYTES, BlockStore, FileBlocks
from fsspec import AbstractFileSystem
from fsspec.caching import caches
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile

DATA = random.Random(3).randbytes(3 * BLOCK_BYTES + 12345)  # noqa: S311 - test data


class BucketFile(AbstractBufferedFile):
    def _fetch_range(self, start: int, end: int) -> bytes:
        self.fs.reads.append((start, end))
        return self.fs.objects[self.path][1][start:end]


class Bucket(AbstractFileSystem):
    """A bucket in memory: path -> (generation, content); ``reads`` are the ranges that were fetched."""

    protocol = "gs"
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, tuple[int, bytes]] = {}
        self.reads: list[tuple[int, int]] = []
        self.extra: dict[str, Any] = {}

    def put(self, path: str, content: bytes) -> None:
        self.objects[path] = (self.objects.get(path, (0, b""))[0] + 1, content)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        for entry in self.dircache.get(self._parent(path)) or []:
            if entry["name"] == path:
                return entry
        generation, content = self.objects[path]
        return {"name": path, "size": len(content), "generation": str(generation), "type": "file", **self.extra}

    def list_into_memory(self, directory: str) -> None:
        self.dircache[directory] = [self.info(path) for path in self.objects]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.dircache.clear()

    def _open(self, path: str, mode: str = "rb", **options: Any) -> BucketFile:
        options.pop("autocommit", None)
        return BucketFile(self, path, mode, **options)


@pytest.fixture(autouse=True)
def _clean_fsspec() -> Iterator[None]:
    known, local_open = dict(caches), LocalFileSystem._open
    yield
    caches.clear()
    caches.update(known)
    LocalFileSystem._open = local_open


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    store = BlockStore(tmp_path / "cache", 100 * BLOCK_BYTES)
    input_cache.install(store)
    return store


@pytest.fixture
def bucket() -> Bucket:
    bucket = Bucket()
    bucket.put("b/data.csv", DATA)
    return bucket


def read(bucket: Bucket, start: int = 0, end: int | None = None, **options: Any) -> bytes:
    with bucket.open("b/data.csv", "rb", **options) as file:
        file.seek(start)
        return file.read(-1 if end is None else end - start)


def test_second_read_comes_from_disk(store: BlockStore, bucket: Bucket) -> None:
    assert read(bucket) == DATA
    assert len(bucket.reads) == 1
    assert read(bucket) == DATA
    assert len(bucket.reads) == 1


def test_only_blocks_that_are_read_are_fetched(store: BlockStore, bucket: Bucket) -> None:
    middle = (BLOCK_BYTES + 10, BLOCK_BYTES + 2000)
    assert read(bucket, *middle, block_size=1) == DATA[slice(*middle)]
    assert sum(end - start for start, end in bucket.reads) <= BLOCK_BYTES + 1
    assert len(list(store.directory.iterdir())) == 1


def test_any_range_in_any_order_is_right(store: BlockStore, bucket: Bucket) -> None:
    chance = random.Random(7)  # noqa: S311 - test data
    for _ in range(60):
        start = chance.randrange(len(DATA) + 10)
        end = min(len(DATA), start + chance.choice([0, 1, 100, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES]))
        assert read(bucket, start, max(start, end)) == DATA[start:end]


def test_small_sequential_reads(store: BlockStore, bucket: Bucket) -> None:
    for _ in range(2):
        with bucket.open("b/data.csv") as file:
            assert b"".join(iter(lambda: file.read(64 * 1024), b"")) == DATA
    with bucket.open("b/data.csv") as file:
        assert b"".join(file) == DATA


def test_holes_are_fetched_in_one_request_each(store: BlockStore, bucket: Bucket) -> None:
    read(bucket, BLOCK_BYTES, BLOCK_BYTES + 1, block_size=1)
    bucket.reads.clear()
    blocks = FileBlocks(store, "other", len(DATA), lambda start, end: DATA[start:end])
    assert blocks.read(0, len(DATA)) == DATA
    assert read(bucket, block_size=1) == DATA
    assert len(bucket.reads) == 2


def test_an_overwritten_object_is_seen(store: BlockStore, bucket: Bucket) -> None:
    assert read(bucket) == DATA
    changed = bytes(reversed(DATA))
    bucket.put("b/data.csv", changed)
    assert read(bucket) == changed


def test_an_old_listing_in_memory_does_not_bring_old_blocks_back(store: BlockStore, bucket: Bucket) -> None:
    bucket.list_into_memory("b")
    assert read(bucket) == DATA
    bucket.list_into_memory("b")
    changed = bytes(reversed(DATA))
    bucket.put("b/data.csv", changed)
    assert read(bucket) == changed


def test_what_cannot_be_versioned_is_not_cached(store: BlockStore, bucket: Bucket) -> None:
    bucket.extra = {"contentEncoding": "gzip"}
    assert read(bucket) == read(bucket) == DATA
    bucket.extra = {"generation": None}
    assert read(bucket) == DATA
    assert list(store.directory.iterdir()) == []


def test_an_explicit_cache_type_and_other_protocols_are_left_alone(store: BlockStore, bucket: Bucket) -> None:
    assert read(bucket, cache_type="bytes") == DATA
    bucket.protocol = "s3"
    assert read(bucket) == DATA
    assert list(store.directory.iterdir()) == []


def test_a_missing_or_damaged_block_is_fetched_again(store: BlockStore, bucket: Bucket) -> None:
    read(bucket)
    first, second, *_ = sorted(store.directory.iterdir())
    first.unlink()
    second.write_bytes(b"short")
    assert read(bucket) == DATA


def test_a_full_disk_only_means_no_cache(store: BlockStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **options: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    assert read(bucket) == DATA
    monkeypatch.undo()
    assert list(store.directory.iterdir()) == []


def test_a_disk_with_little_room_is_left_to_spilling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=1000, used=950, free=50)
    monkeypatch.setattr(block_store.shutil, "disk_usage", lambda _: usage)
    store = BlockStore(tmp_path / "cache", 100 * BLOCK_BYTES)
    store.write("a", b"x")
    assert store.read("a", 1) is None


def test_the_directory_stays_under_its_limit_and_old_blocks_go_first(tmp_path: Path) -> None:
    store = BlockStore(tmp_path / "cache", 20 * 1000)
    for number in range(15):
        store.write(str(number), bytes(1000))
        os.utime(tmp_path / "cache" / str(number), (time.time() - 1000 + number,) * 2)
    assert store.read("0", 1000) == bytes(1000)  # used: the youngest now
    for number in range(15, 60):
        store.write(str(number), bytes(1000))
        assert sum(entry.stat().st_size for entry in store.directory.iterdir()) <= 20 * 1000
    assert store.read("1", 1000) is None
    assert store.read("59", 1000) is not None


def test_a_used_block_outlives_an_unused_one(tmp_path: Path) -> None:
    store = BlockStore(tmp_path, 10 * 1000)
    for number in range(8):
        store.write(str(number), bytes(1000))
        os.utime(tmp_path / str(number), (time.time() - 1000 + number,) * 2)
    assert store.read("0", 1000)
    store.write("8", bytes(1000))
    store.write("9", bytes(1000))
    assert store.read("0", 1000) is not None
    assert store.read("1", 1000) is None


def test_threads_and_a_second_store_share_a_directory(store: BlockStore, bucket: Bucket) -> None:
    other = BlockStore(store.directory, store.limit_bytes)
    wrong: list[int] = []

    def work(number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - test data
        blocks = FileBlocks((store, other)[number % 2], "v", len(DATA), lambda start, end: DATA[start:end])
        for _ in range(40):
            start = chance.randrange(len(DATA))
            end = min(len(DATA), start + chance.randrange(2 * BLOCK_BYTES))
            if blocks.read(start, end) != DATA[start:end]:
                wrong.append(number)
            if chance.random() < 0.2:
                for entry in list(store.directory.iterdir())[:2]:
                    entry.unlink(missing_ok=True)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_cut_while_it_is_open_is_read_as_without_cache(store: BlockStore, bucket: Bucket) -> None:
    read(bucket, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES, block_size=1)
    with bucket.open("b/data.csv", "rb", block_size=1) as file:
        bucket.put("b/data.csv", DATA[:1000])
        assert file.read() == DATA[:1000]


class EveryDevice:
    def __contains__(self, device: int) -> bool:
        return True


def test_files_on_nfs_are_cached_and_a_changed_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "shared.csv"
    source.write_bytes(DATA)
    local = fsspec.filesystem("file")
    monkeypatch.setattr(nfs_files, "NetworkDevices", EveryDevice)
    input_cache.install(BlockStore(tmp_path / "cache", 100 * BLOCK_BYTES))
    reads: list[int] = []
    original = nfs_files.NetworkFile._fetch_range
    monkeypatch.setattr(
        nfs_files.NetworkFile,
        "_fetch_range",
        lambda file, start, end: reads.append(start) or original(file, start, end),
    )
    for _ in range(2):
        with local.open(str(source), "rb") as file:
            assert file.fileno() >= 0
            assert file.read() == DATA
    assert len(reads) == 1
    source.write_bytes(DATA[::-1])
    with local.open(str(source), "rb") as file:
        assert file.read() == DATA[::-1]
    with local.open(str(source), "r", encoding="latin-1") as text:
        assert text.read(10) == DATA[::-1][:10].decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    with local.open(str(tmp_path / "new"), "wb") as file:
        file.write(b"written")
    assert (tmp_path / "new").read_bytes() == b"written"
    with pytest.raises(FileNotFoundError):
        local.open(str(tmp_path / "missing"), "rb")


def test_local_files_stay_plain_files(store: BlockStore, tmp_path: Path) -> None:
    (tmp_path / "local.csv").write_bytes(b"a,b\n")
    with fsspec.open(f"file://{tmp_path}/local.csv", "rb") as file:
        assert not isinstance(file, nfs_files.NetworkFile)
        assert file.read() == b"a,b\n"


def test_configuration_and_off_switch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert input_cache.configure(0) == input_cache.CacheConfiguration({}, ())
    on = input_cache.configure(2048)
    assert (on.environment, on.preload) == ({"DASK_INPUT_CACHE_MB": "2048"}, ("dask_on_yarn.input_cache",))
    with pytest.raises(ValueError, match="size_mb is -1"):
        input_cache.configure(-1)
    before = dict(caches)
    monkeypatch.setenv("DASK_INPUT_CACHE_MB", "0")
    input_cache.dask_setup(SimpleNamespace(local_directory=str(tmp_path)))
    assert caches == before
    monkeypatch.setenv("DASK_INPUT_CACHE_MB", "1")
    monkeypatch.setenv("LOCAL_DIRS", f"/no/such/disk,{tmp_path}")
    input_cache.dask_setup(SimpleNamespace(local_directory="/nowhere"))
    assert caches != before
    assert (tmp_path / "input-cache").is_dir()


def test_a_worker_without_a_usable_directory_runs_without_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DASK_INPUT_CACHE_MB", "1")
    monkeypatch.delenv("LOCAL_DIRS", raising=False)
    before = dict(caches)
    input_cache.dask_setup(SimpleNamespace(local_directory=str(tmp_path / "file")))
    assert caches == before
