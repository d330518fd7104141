"""Jobs through Tapis v3: each is one Tapis job of an existing app, with one ZIP in and one ZIP out.

A job is found again by its name, which is our id. What it gets lies in a folder of the user's storage (the bundle and
the runner, in ``<storage>/<study and key>/<job>/in``), what it leaves is archived beside it (in ``.../out``), so both
places are known without asking. While it runs, its records are read where it runs. Tapis is asked about all jobs with
one search, whatever their number, and about one job only where a search does not show it.

``backend.py`` has the verbs. Under it: ``place.py`` is where a study's jobs run and their files lie, ``jobs.py`` what
Tapis tells of jobs, ``leavings.py`` what they leave, ``signs.py`` whether one that is over for Tapis may still live,
``tcl.py`` what a solver that takes one Tcl script cannot do.
"""
