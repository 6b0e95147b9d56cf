"""The commands `localcloud image ...`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

_DIRECTORY = click.Path(exists=True, file_okay=False, resolve_path=True)


def image_commands(control: Callable[..., dict[str, Any]]) -> click.Group:
    """Return the group; `control` calls the running server."""

    @click.group("image")
    def group() -> None:
        """Look at the images that clusters are made of, add some, and withdraw some, as Dataproc's makers do."""

    @group.command("list")
    @click.option("--json", "as_json", is_flag=True, help="As JSON.")
    def list_images(as_json: bool) -> None:
        """List Dataproc's images, and custom ones, oldest first."""
        images = control("GET", "/localcloud/images")["images"]
        if as_json:
            click.echo(json.dumps(images, indent=2))
            return
        for image in images:
            click.echo(_line(image))

    @group.command()
    @click.argument("image")
    @click.option("--base", help="Make it a custom image, named IMAGE, of the project; the version it is built on.")
    @click.option("--created", help="When it was built: a date, or an instant in RFC 3339.  [now]")
    @click.option(
        "--node-path", type=_DIRECTORY, help="Directory that stands first in PATH of all that runs on its nodes."
    )
    @click.option("--python-path", type=_DIRECTORY, help="The same for PYTHONPATH.")
    def add(image: str, base: str | None, created: str | None, node_path: str | None, python_path: str | None) -> None:
        """Add IMAGE: a version in full, such as 2.3.12-debian12.

        What stands first on its nodes makes an image that behaves unlike the others: with a broken python3, for
        example, or a library that computes something else. Everybody must be able to read the directories.
        """
        in_front = {name: path for name, path in (("PATH", node_path), ("PYTHONPATH", python_path)) if path}
        wanted = {"action": "add", "image": image, "base": base, "created": created, "in_front": in_front}
        click.echo(f"added {_line(control('POST', '/localcloud/images', wanted))}")

    @group.command()
    @click.argument("image")
    def withdraw(image: str) -> None:
        """Let no more clusters be made of IMAGE, a version in full or a custom image's name; those there are go on."""
        click.echo(_line(control("POST", "/localcloud/images", {"action": "withdraw", "image": image})))

    return group


def _line(image: dict[str, Any]) -> str:
    what = image["version"] if image["release"] else f"({image['version']})"
    parts = [f"{what:20s} {image['created'][:10]}  projects/{image['project']}/global/images/{image['name']}"]
    parts += [f"{variable} begins with {path}" for variable, path in image["in_front"].items()]
    if image["withdrawn"]:
        parts.append(f"withdrawn {image['withdrawn'][:10]}")
    return ", ".join(parts)
