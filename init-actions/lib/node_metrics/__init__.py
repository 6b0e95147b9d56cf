"""The agent that sends what Dask, YARN and the node say about themselves to Cloud Monitoring.

It runs on every node as the unit `node-metrics`, put there by init-actions/node-metrics.sh. Standard library only, the
node's own Python: it has to work where the Dask environment does not, because then somebody looks here.
"""
