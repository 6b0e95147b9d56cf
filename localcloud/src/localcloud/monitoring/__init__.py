"""Cloud Monitoring of the local cloud: custom metrics, their descriptors and time series."""
