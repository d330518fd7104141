"""Tapis v3 as a client: logging in, calls, files, apps, systems, and what a job request looks like."""
