"""What a new service has from the start: systems and apps to run a first job with, and stand-ins for a site's commands.

``systems`` and ``apps`` hold the definitions, as plain data in Tapis's own JSON form. An app's image is a folder below
``images/``; ``ready.build`` makes a ZIP of each, always the same bytes from the same sources, in the folder of the
system ``storage``, where the definitions say that it is. ``commands/`` holds ``module`` and ``ibrun``, for scripts that
were written for a cluster. The slots of the apps have the names that the real apps of DesignSafe give them.
"""
