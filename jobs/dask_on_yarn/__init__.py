"""Dask on YARN: the Dask scheduler in the driver, one Dask worker per Spark executor container."""
