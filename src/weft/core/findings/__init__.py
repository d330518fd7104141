"""What a profile means: one function for each finding, in one table. PURE.

How it works. A rule (``base.Rule``) is given a scene: the table of jobs, what is normal for this user, the facts of
the queues, and the study if there is one. It says by polars expressions which jobs it means (``measures``), and
``alike`` puts together those that one remedy helps: jobs of one study, app, system and queue. For each such group it
tells one finding: figures as evidence, a cause, remedies (``remedies``, ``settings``), and what they would gain.
``table.find`` asks all rules, and ``weighing`` makes one list of it. ``docs/findings.md`` is written from the table.

The rules, in the order of a job's life:

- before it runs: ``waiting`` for the service, ``staging`` of inputs, ``starting`` the app, ``queueing``
- in its cases: ``requests`` of memory and minutes, ``cores``, ``slots`` and nodes, ``jobsize``, ``writing`` of files
- after it ran: ``archiving``; and ``charging`` of short jobs (``transfers``: what both ways of files have in common)
- if it failed: by a cause that it shows, which is a row of a table (``causes``): of its ``environment``, of
  ``refusals`` by the batch system, of its ``programs``; by ``limits`` of time and memory; else by the table of
  ``endings`` (``ended``); what became of cases is ``unfinished`` (``failed``: the jobs, and what they said last)
"""
