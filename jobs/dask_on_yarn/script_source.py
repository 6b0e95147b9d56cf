"""Gets the user's script from wherever it is, while the cluster starts."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from dask_on_yarn.exit_codes import BAD_OPTIONS, RunEnded
from dask_on_yarn.script_process import Account


class ScriptSource:
    """Copies ``uri`` into a directory in a thread of its own; ``check`` tells early when that fails."""

    def __init__(self, uri: str, directory: Path, account: Account | None) -> None:
        self._uri = uri
        self._account = account
        self._error: str | None = None
        name = uri.rstrip("/").rpartition("/")[2]
        self.path = directory / (name if name.endswith(".py") else f"{name or 'script'}.py")
        self._thread = threading.Thread(target=self._fetch, name="script-source", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise RunEnded when the script cannot be had."""
        if self._error:
            raise RunEnded(BAD_OPTIONS, self._error)

    def wait(self) -> Path:
        """The local file, readable by the account the script runs as; raises RunEnded when it cannot be had."""
        self._thread.join()
        self.check()
        return self.path

    def _fetch(self) -> None:
        try:
            scheme, separator, rest = self._uri.partition("://")
            if separator and scheme != "file":
                import fsspec  # noqa: PLC0415 - takes long with some file systems, and runs beside the JVM here

                with fsspec.open(self._uri, "rb") as source, self.path.open("wb") as target:
                    shutil.copyfileobj(source, target)
            else:
                shutil.copyfile(rest if separator else self._uri, self.path)
            self.path.chmod(0o400)
            if self._account:
                os.chown(self.path, self._account.uid, self._account.gid)
        except Exception as error:  # every file system has exceptions of its own
            self._error = f"--script {self._uri}: cannot be read: {type(error).__name__}: {error}"
