"""Reads Hadoop's ``*-site.xml`` files of a configuration directory, the way Hadoop's own clients do.

Only explicitly set properties are known: Hadoop's built-in defaults are not in these files, so a reader passes the
default it relies on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

SITE_FILES = ("core-site.xml", "yarn-site.xml")
MAX_EXPANSIONS = 20  # as in Hadoop's Configuration
REFERENCE = re.compile(r"\$\{([^}$\s]+)\}")


class HadoopConfigurationError(Exception):
    """A configuration directory or one of its files cannot be used; the message names it and what is wrong."""


class HadoopConfiguration:
    """Properties of one configuration directory; ``${other.property}`` and ``${env.NAME}`` are expanded on reading."""

    def __init__(self, properties: Mapping[str, str], environment: Mapping[str, str] | None = None) -> None:
        """Take the raw properties; ``environment`` (default: this process's) answers ``${env.NAME}``."""
        self._properties = dict(properties)
        self._environment = os.environ if environment is None else environment

    @classmethod
    def read(cls, directory: str | Path) -> HadoopConfiguration:
        """Read the site files of a directory, later files over earlier ones; a missing file is an empty one."""
        directory = Path(directory)
        if not directory.is_dir():
            raise HadoopConfigurationError(
                f"HADOOP_CONF_DIR is {str(directory)!r}, expected a directory with yarn-site.xml"
            )
        properties: dict[str, str] = {}
        for name in SITE_FILES:
            if (directory / name).exists():
                properties.update(_site_properties(directory / name))
        return cls(properties)

    def get(self, name: str, default: str = "") -> str:
        """Return a property's trimmed value with references expanded, or the default (expanded too) when not set."""
        return self._expand(self._properties.get(name, default)).strip()

    def get_bool(self, name: str, default: bool) -> bool:
        """Return a property as Hadoop's getBoolean does: neither ``true`` nor ``false`` (any case) is the default."""
        return {"true": True, "false": False}.get(self.get(name).lower(), default)

    def get_int(self, name: str, default: int) -> int:
        """Return a whole number; a value that is none is an error that names property and value."""
        value = self.get(name)
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise HadoopConfigurationError(f"{name} is {value!r}, expected a whole number") from None

    def _expand(self, value: str) -> str:
        for _ in range(MAX_EXPANSIONS):
            expanded = REFERENCE.sub(self._replacement, value)
            if expanded == value:
                break
            value = expanded
        return value

    def _replacement(self, reference: re.Match[str]) -> str:
        name = reference[1]
        if name.startswith("env."):
            return self._environment.get(name.removeprefix("env."), reference[0])
        return self._properties.get(name, reference[0])


def _site_properties(file: Path) -> dict[str, str]:
    try:
        root = ElementTree.parse(file).getroot()  # noqa: S314 - written by the cluster's own administrator
    except ElementTree.ParseError as error:
        raise HadoopConfigurationError(f"{file} is not XML: {error}") from error
    except OSError as error:
        raise HadoopConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    properties = {}
    for element in root.iter("property"):
        name, value = element.findtext("name"), element.findtext("value")
        if name and value is not None:
            properties[name.strip()] = value
    return properties
