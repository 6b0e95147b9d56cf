"""The Compute Engine service: reading images, Dataproc's public ones and the project's own."""

from __future__ import annotations

from typing import Any

from localcloud.clock import Clock
from localcloud.compute.filters import parse_filter
from localcloud.compute.images import Images
from localcloud.compute.releases import PROJECT
from localcloud.compute.resources import URL, identifier, render
from localcloud.discovery import Method
from localcloud.errors import ApiError, NotServedError, invalid_argument, not_found
from localcloud.paging import page
from localcloud.settings import Settings
from localcloud.store import Store

_LARGEST_PAGE = 500
_ORDERS = ("", "name", "creationTimestamp desc")
# Projects of public images that gcloud lists beside the one it is asked for. Here nobody boots a machine from them.
_EMPTY_PROJECTS = frozenset(
    {
        "centos-cloud",
        "cos-cloud",
        "debian-cloud",
        "fedora-coreos-cloud",
        "opensuse-cloud",
        "oracle-linux-cloud",
        "rhel-cloud",
        "rhel-sap-cloud",
        "rocky-linux-accelerator-cloud",
        "rocky-linux-cloud",
        "suse-cloud",
        "suse-sap-cloud",
        "ubuntu-os-accelerator-images",
        "ubuntu-os-cloud",
        "ubuntu-os-pro-cloud",
        "windows-cloud",
        "windows-sql-cloud",
    }
)


class ComputeService:
    """Serves `compute` v1: images.list and images.get."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        """Show the images that `store` holds."""
        self._settings = settings
        self._images = Images(store, clock, settings.project)

    async def handle(
        self, request: Any, _principal: str, method: Method, parameters: dict[str, str], _body: dict[str, Any]
    ) -> dict[str, Any]:
        """Answer one request, already routed and validated. Raises ApiError."""
        match method.id:
            case "compute.images.list":
                return self._list(self._project(parameters, "list"), request.state.query)
            case "compute.images.get":
                return self._get(self._project(parameters, "get"), parameters["image"])
        raise NotServedError(method.id)

    def _project(self, parameters: dict[str, str], verb: str) -> str:
        """Return the id of the project that is asked for. Raises ApiError 403 for one that is not to be seen."""
        project = parameters["project"]
        if project in (self._settings.project, self._settings.project_number):
            return self._settings.project
        if project == PROJECT or project in _EMPTY_PROJECTS:
            return project
        raise ApiError(403, f"Required 'compute.images.{verb}' permission for 'projects/{project}'")

    def _list(self, project: str, query: dict[str, Any]) -> dict[str, Any]:
        size = query.get("maxResults") or _LARGEST_PAGE
        if size > _LARGEST_PAGE:
            raise invalid_argument(
                f"Invalid value for field 'maxResults': '{size}'. Number of results should be between 0 and "
                f"{_LARGEST_PAGE}, inclusive."
            )
        order = query.get("orderBy", "")
        if order not in _ORDERS:
            raise invalid_argument(
                f"Invalid value for field 'orderBy': '{order}'. Only name and creationTimestamp desc are supported."
            )
        matches = parse_filter(query.get("filter", ""))
        images = self._images.of_project(project)
        if order == "creationTimestamp desc":
            images.sort(key=lambda image: image.created, reverse=True)
        found = [resource for resource in map(render, images) if matches(resource)]
        answer = page(
            found,
            "items",
            lambda resource: resource["name"],
            size=size,
            token=query.get("pageToken"),
            maximum_size=_LARGEST_PAGE,
        )
        path = f"projects/{project}/global/images"
        return {"kind": "compute#imageList", "id": path, **answer, "selfLink": URL + path}

    def _get(self, project: str, name: str) -> dict[str, Any]:
        for image in self._images.of_project(project):
            if name in (image.name, identifier(image)):
                return render(image)
        raise not_found(f"The resource 'projects/{project}/global/images/{name}' was not found")
