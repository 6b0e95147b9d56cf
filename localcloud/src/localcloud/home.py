"""The directory that one instance keeps everything in: made private, and never somebody else's."""

from __future__ import annotations

from localcloud.files import ensure_private_directory
from localcloud.settings import Settings

_NAMED = 5


class HomeError(Exception):
    """LOCALCLOUD_HOME cannot be used; the message names it and says what was expected."""


def prepare_home(settings: Settings) -> None:
    """Make the home, readable by its owner alone. Raises HomeError when it holds anything but an instance's files.

    An instance closes its home to others and deletes `objects` and `jobs` in it: a mistyped LOCALCLOUD_HOME, such as
    a checkout or a home directory, must not lose what is there.
    """
    home = settings.home
    if home.exists() and not home.is_dir():
        raise HomeError(f"LOCALCLOUD_HOME is {home}, which is no directory")
    if home.is_dir():
        foreign = sorted(entry.name for entry in home.iterdir() if entry != settings.log_file)
        # Asked after the look: a server that starts at this moment makes its lock before anything else.
        if foreign and not (settings.lock_file.exists() or settings.database_file.exists()):
            shown = ", ".join(foreign[:_NAMED]) + (", ..." if len(foreign) > _NAMED else "")
            raise HomeError(
                f"LOCALCLOUD_HOME is {home}, which holds other files ({shown}); "
                "expected an empty directory, one that does not exist yet, or one that localcloud has used before"
            )
    ensure_private_directory(home)
