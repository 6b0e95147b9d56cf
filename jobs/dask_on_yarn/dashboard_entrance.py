"""The dashboard's root page: what the YARN application's tracking link opens.

Dask's own root leads to a page that needs websockets, which do not pass YARN's proxy: it would stay empty there. This
one leads to the workers' table. Every link is relative, because behind a proxy the pages lie below a path it chooses.
"""

from __future__ import annotations

from typing import Any

from distributed.http.utils import RequestHandler

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Dask</title>
  <meta http-equiv="refresh" content="0; url=info/main/workers.html">
</head>
<body>
  <p><a href="info/main/workers.html">Workers</a>, <a href="info/main/logs.html">scheduler log</a>,
  <a href="status">live dashboard</a> (needs websockets: not through YARN's proxy)</p>
</body>
</html>
"""


class Entrance(RequestHandler):
    """Answers the root path."""

    def get(self) -> None:
        """The page."""
        self.write(PAGE)


routes: list[tuple[str, type[RequestHandler], dict[str, Any]]] = [(r"/", Entrance, {})]
