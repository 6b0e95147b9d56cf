"""First in every archive: makes this archive's own library the one that its DAG files get. Defines no DAG itself.

One Airflow process may load several archives, or one archive twice with another release in it, and Python keeps modules
by name. So the library, and whatever else came from this archive, is forgotten here, before the DAG files are imported.
Airflow looks only into files that hold the words airflow and dag, as this one does.
"""

import importlib
import sys
from pathlib import Path

_ARCHIVE = str(Path(__file__).parent)


def _is_stale(name: str) -> bool:
    origin = getattr(sys.modules[name], "__file__", None) or ""
    library = name == "dataplatform_dask" or name.startswith("dataplatform_dask.")
    return name != __name__ and (library or origin.startswith(f"{_ARCHIVE}/"))


for _name in [name for name in list(sys.modules) if _is_stale(name)]:
    del sys.modules[_name]
importlib.invalidate_caches()
