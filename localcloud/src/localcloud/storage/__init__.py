"""Cloud Storage: the JSON API over SQLite and files."""

from localcloud.storage.service import StorageService, create_service

__all__ = ["StorageService", "create_service"]
