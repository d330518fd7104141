"""Reading definitions of systems, and how many jobs may be live there at once."""

from __future__ import annotations

import pytest
from msgspec import structs
from tests.tapis.defined import app, definition, system, without_nulls

from weft.errors import WeftError
from weft.tapis.apps import App
from weft.tapis.sites import job_limit, queue_facts, site_of, site_queue
from weft.tapis.systems import Queue, System

FRONTERA = System(
    id="frontera",
    host="frontera.tacc.utexas.edu",
    can_exec=True,
    can_run_batch=True,
    queues=(Queue(name="small", hpc_name="small", max_jobs_per_user=200),),
)


def test_facts_of_a_system() -> None:
    cluster, vm = system("cluster"), system("vm")
    assert (cluster.id, cluster.host, cluster.root_dir) == ("cluster", "cluster.example.org", "/")
    assert cluster.can_exec and cluster.can_run_batch and cluster.enabled and cluster.dynamic_user
    assert (cluster.scheduler, cluster.default_queue, cluster.authn_method) == ("SLURM", "wide", "TMS_KEYS")
    assert cluster.runtimes == ("SINGULARITY",) and "${JobUUID}" in cluster.working_dir
    assert cluster.job_max_jobs is None and cluster.job_max_jobs_per_user is None
    assert not vm.can_run_batch and vm.queues == () and vm.job_max_jobs_per_user == 10 and vm.no_allocation
    assert vm.dynamic_user  # by the effective user, where nothing else says so


def test_bounds_of_queues() -> None:
    cluster = system("cluster")
    wide, short, large = cluster.queues
    assert (wide.hpc_name, wide.max_jobs, wide.max_jobs_per_user) == ("skx", None, 60)
    assert (short.max_jobs, short.max_nodes, short.max_minutes) == (10, 16, 120)
    assert (large.min_nodes, large.max_nodes, large.min_minutes) == (4, None, 30)
    assert cluster.queue("short") == short and cluster.queue("none") is None


def test_null_is_absence() -> None:
    told = definition("system-cluster")
    assert System.from_definition(without_nulls(told)) == System.from_definition(told)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", None),
        ("canExec", "yes"),
        ("batchLogicalQueues", {}),
        ("batchLogicalQueues", [{"name": "a", "maxMinutes": "5"}]),
        ("jobRuntimes", [{}]),
        ("rootDir", 3),
    ],
)
def test_damage_is_told_with_its_key(key: str, value: object) -> None:
    with pytest.raises(WeftError) as caught:
        System.from_definition({**definition("system-cluster"), key: value})
    assert key in caught.value.where and caught.value.hint


def test_the_smallest_limit_counts() -> None:
    cluster, any_app = system("cluster"), App(id="a", version="1")
    wide, short, large = cluster.queues
    assert job_limit(cluster, wide, any_app) == 60
    assert job_limit(cluster, short, any_app) == 3
    assert job_limit(cluster, large, any_app) is None
    assert job_limit(cluster, wide, app("everything")) == 7
    assert job_limit(system("vm"), None, any_app) == 10
    assert job_limit(structs.replace(cluster, job_max_jobs=2), short, any_app) == 2


def test_the_limit_of_the_site_counts_where_tapis_would_take_more() -> None:
    small = FRONTERA.queues[0]
    assert site_queue(FRONTERA, small).submit == 80
    assert job_limit(FRONTERA, small, App(id="a", version="1")) == 80


def test_a_site_is_found_by_the_host_whatever_the_system_is_called() -> None:
    assert site_of(FRONTERA).id == "frontera"
    assert site_of(structs.replace(FRONTERA, id="ours")).id == "frontera"
    assert site_of(structs.replace(FRONTERA, host="")).id == "frontera"
    assert site_of(structs.replace(FRONTERA, host="elsewhere.example.org")) is None
    assert site_of(system("cluster")) is None
    assert site_of(System(id="other", host="")) is None


def test_every_site_says_when_its_figures_were_read() -> None:
    from weft.tapis.sites import _sites

    assert len(_sites()) == 4
    for site in _sites():
        assert site.seen and site.queues
        assert all(queue.submit and queue.run <= queue.submit for queue in site.queues.values())


def test_what_is_known_of_queues_goes_by_system_and_queue() -> None:
    facts = queue_facts()
    short = facts["stampede3", "skx-dev"]
    assert (short.nodes, short.minutes, short.cores, short.memory_mb) == (16, 120, 48, 192_000)
    assert (short.rate, short.submit, short.run, short.seen) == (1, 4, 2, "2026-04-15")
    assert facts["ls6", "gpu-a100-small"].memory_mb is None
    assert all((each.system, each.queue) == key and each.minutes for key, each in facts.items())
