"""Carrying a job through its states: staging, launching, watching, archiving."""
