"""The gate of a DAG release: imports archives as Airflow would and holds every DAG against the platform's policies.

Runs in the Python environment of Airflow, not in Ansible's: ``python -m dag_gate REQUEST REPORT``.
"""
