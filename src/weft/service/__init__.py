"""A Tapis v3 service that runs on this machine and really executes the jobs.

It answers to the official specifications and clients, and to nothing else of this package: it imports only
``errors`` and ``schedulers``. One module or package for each service of Tapis (tenants, authenticator, tokens,
systems, apps, files, jobs); ``web`` makes one application of their tables of operations, ``server`` puts
everything together.
"""
