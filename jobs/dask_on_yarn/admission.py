"""May this owner use this queue, and how many workers fit the limits: decided before YARN is asked for anything."""

from __future__ import annotations

from dask_on_yarn import allocation_file, limits
from dask_on_yarn.exit_codes import BAD_OPTIONS, NOT_ALLOWED, RunEnded
from dask_on_yarn.hadoop_configuration import HadoopConfigurationError
from dask_on_yarn.options import Options


def admit(options: Options, hadoop_conf_dir: str | None) -> limits.Granted:
    """What the run gets; ``hadoop_conf_dir`` None: there is no YARN, only ``--user-workers`` counts.

    Raises RunEnded with NOT_ALLOWED (the message names the queue and who may use it) or BAD_OPTIONS.
    """
    try:
        rules = allocation_file.read(hadoop_conf_dir) if hadoop_conf_dir else None
        queue = rules.queue(options.queue) if rules else None
        if queue:
            limits.check_rights(options.owner, queue, rules, allocation_file.groups_of_user)
        return limits.clamp(
            options.min_workers,
            options.max_workers,
            limits.Container(options.worker_memory_mb, options.worker_vcores),
            limits.Container(options.master_memory_mb, 1),
            queue,
            options.user_workers,
            options.owner,
        )
    except limits.NotAllowed as error:
        raise RunEnded(NOT_ALLOWED, str(error)) from error
    except (limits.LimitError, allocation_file.AllocationFileError, HadoopConfigurationError) as error:
        raise RunEnded(BAD_OPTIONS, str(error)) from error
