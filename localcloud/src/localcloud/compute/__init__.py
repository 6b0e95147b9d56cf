"""Compute Engine, as far as it is about images: Dataproc's own in `cloud-dataproc`, and those of the project."""
