"""Keeps blocks of input files on the worker's local disk, so that data read more than once is fetched once.

It is a Dask worker preload and needs nothing from user code: it registers itself with fsspec as the read cache that
files from a bucket use by default, and adds the same to files that fsspec opens on NFS. What is read through fsspec's
file objects is cached, for example by ``dd.read_csv`` and ``dask.bag.read_text``; writes, listings and ``cat`` are
untouched, and so is a file that is opened with its own ``cache_type``.

A block belongs to one version of one file (generation in a bucket; inode, times and size on NFS), looked up whenever
the file is opened: an overwritten file is a new version, and its old blocks are never read again. Blocks are written
under another name and renamed, so several threads, workers and containers share a directory without a lock. When the
directory grows beyond its limit, the blocks that were not used for the longest time go.

It is off unless a size is given: writing blocks costs a worker about 10% more CPU time on CSV data that it reads once
(30% where nothing is parsed); the second reading takes about half the CPU time, and is 2.7 times faster where a
request takes 50 ms (``tests/benchmarks/bench_input_cache.py``).

fsspec's own ``blockcache`` file system is not used: it has no size limit, and a file that two threads open at once for
the first time may be truncated under one of them, which then reads zeros.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dask_on_yarn.block_store import BlockStore, FileBlocks

SIZE_VARIABLE = "DASK_INPUT_CACHE_MB"
PRELOAD = "dask_on_yarn.input_cache"
DIRECTORY_NAME = "input-cache"
#: The read caches that a file gets when its opener does not choose one (current and older gcsfs, fsspec's own default).
DEFAULT_CACHES = ("adaptive", "readahead")
BUCKET_PROTOCOLS = frozenset({"gs", "gcs"})

logger = logging.getLogger("distributed.input_cache")


@dataclass(frozen=True)
class CacheConfiguration:
    """What a worker must be started with: environment variables and preload modules; both empty is "no cache"."""

    environment: dict[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()


def configure(size_mb: int) -> CacheConfiguration:
    """Return how to start workers that cache up to ``size_mb`` MiB of input per node; 0 switches the cache off."""
    if size_mb < 0:
        raise ValueError(f"size_mb is {size_mb}, expected 0 (no cache) or a number of MiB")
    if size_mb == 0:
        return CacheConfiguration()
    return CacheConfiguration({SIZE_VARIABLE: str(size_mb)}, (PRELOAD,))


def dask_setup(worker: Any) -> None:
    """Install the cache in a worker that starts; called by Dask. A worker without a usable disk runs without cache."""
    size_mb = int(os.environ.get(SIZE_VARIABLE, "0"))
    if size_mb == 0:
        return
    directory = cache_directory(os.environ, worker.local_directory)
    try:
        store = BlockStore(directory, size_mb * 2**20)
    except OSError as error:
        logger.warning("no input cache: %s: %s", directory, error)
        return
    install(store)
    logger.info("input cache: up to %s MiB in %s", size_mb, directory)


def cache_directory(environment: Mapping[str, str], fallback: str) -> Path:
    """Return where blocks go: on the largest of the local disks YARN gives a container, else under ``fallback``.

    YARN's directories (LOCAL_DIRS) belong to one application on one node: its containers there share the cache, and
    the NodeManager deletes it after the application.
    """
    candidates = [entry for entry in environment.get("LOCAL_DIRS", "").split(",") if os.access(entry, os.W_OK)]
    base = max(candidates, key=lambda entry: shutil.disk_usage(entry).total, default=fallback)
    return Path(base) / DIRECTORY_NAME


def install(store: BlockStore) -> None:
    """Make files of this process that fsspec opens for reading use the store."""
    from fsspec.caching import caches, register_cache  # noqa: PLC0415 - the launcher needs only `configure`

    from dask_on_yarn import nfs_files  # noqa: PLC0415

    for name in DEFAULT_CACHES:
        if name in caches:
            register_cache(_caching(caches[name], store), clobber=True)
    nfs_files.install()


def _caching(original: type, store: BlockStore) -> type:
    """Return fsspec's cache class with the store in front; without a known version it behaves as the original."""

    class InputCache(original):
        name = original.name

        def __init__(self, blocksize: int, fetcher: Any, size: int, **options: Any) -> None:
            super().__init__(blocksize, fetcher, size, **options)
            version = file_version(getattr(fetcher, "__self__", None), size)
            self._blocks = FileBlocks(store, version, size, super()._fetch) if version else None

        def _fetch(self, start: int | None, end: int | None) -> bytes:
            if self._blocks is None:
                return super()._fetch(start, end)
            return self._blocks.read(start or 0, self.size if end is None else min(end, self.size))

    return InputCache


def file_version(file: Any, size: int) -> str | None:
    """Return what names a version of an open file; None when it is not cacheable."""
    filesystem = getattr(file, "fs", None)
    protocols = getattr(filesystem, "protocol", ())
    protocols = {protocols} if isinstance(protocols, str) else set(protocols)
    if "cache_version" in getattr(file, "__dict__", {}):
        return file.cache_version
    if not protocols & BUCKET_PROTOCOLS:
        return None
    details = _current_details(file)
    # A compressed object that the server unpacks on the way has another size than its bytes.
    if details.get("contentEncoding") or details.get("size") != size or not details.get("generation"):
        return None
    return f"gs://{file.path}#{details['generation']}"


def _current_details(file: Any) -> dict[str, Any]:
    """Return the object's metadata as the bucket has it now.

    A listing kept in memory by the file system may be older than the object; reading blocks of the old version beside
    fresh ones would mix two versions.
    """
    filesystem = file.fs
    if filesystem.dircache.get(filesystem._parent(file.path)) is None:
        return file.details
    filesystem.invalidate_cache(file.path)
    return filesystem.info(file.path)
