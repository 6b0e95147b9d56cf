"""Work that takes seconds, in threads, looked after from the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable


class _Piece:
    def __init__(self, action: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(action,), daemon=True)
        self.thread.start()

    def _run(self, action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:
            # Raised where the end is asked for.
            self.error = error


class Background:
    """Pieces of work by name: each is started once, and its end can be asked for any number of times."""

    def __init__(self) -> None:
        """Begin without work."""
        self._pieces: dict[str, _Piece] = {}

    def done(self, name: str, action: Callable[[], None]) -> bool:
        """Start `action` unless that was done; return whether it has ended. Raises what it raised."""
        piece = self._pieces.get(name)
        if piece is None:
            self._pieces[name] = _Piece(action)
            return False
        if piece.thread.is_alive():
            return False
        if piece.error is not None:
            raise piece.error
        return True

    def knows(self, name: str) -> bool:
        """Return whether the work of that name has been started."""
        return name in self._pieces

    def forget(self, prefix: str) -> None:
        """Forget the work that has ended and whose name begins with `prefix`."""
        ended = [name for name, piece in self._pieces.items() if not piece.thread.is_alive()]
        for name in ended:
            if name.startswith(prefix):
                del self._pieces[name]
