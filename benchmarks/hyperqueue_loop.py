"""HyperQueue as a contender of throughput: ``python hyperqueue_loop.py FOLDER COUNT``.

One job of COUNT tasks on the LocalCluster of the PyPI wheel. The worker makes each task's directory and files
itself. The wheel's cluster has no option for a journal, so HyperQueue keeps its states in memory only.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hyperqueue import Job, LocalCluster  # type: ignore[import-untyped]
from hyperqueue.cluster import WorkerConfig  # type: ignore[import-untyped]


def run_cases(folder: Path, count: int) -> None:
    """Runs ``count`` cases on a worker with two cores, one core each."""
    with LocalCluster(server_dir=str(folder / "server"), worker_config=WorkerConfig(cores=2)) as cluster:
        job = Job()
        for number in range(count):
            directory = folder / "cases" / str(number)
            job.program(
                ["/bin/sh", "-c", f"true {number}"],
                cwd=directory,
                stdout=directory / "stdout",
                stderr=directory / "stderr",
            )
        client = cluster.client()
        client.wait_for_jobs([client.submit(job)])


if __name__ == "__main__":
    run_cases(Path(sys.argv[1]), int(sys.argv[2]))
