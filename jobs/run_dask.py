"""Run a plain Dask script on an elastic Dask cluster inside YARN containers; the driver of every Dask job.

``spark-submit --py-files dask_on_yarn.zip run_dask.py --script URI --owner USER --workload NAME ... -- ARGS``.
Everything lives in the package ``dask_on_yarn``, which Dataproc ships as a zip beside this file; ``--help`` lists the
options and ``dask_on_yarn/exit_codes.py`` the exit codes.
"""

import sys

from dask_on_yarn.launcher import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
