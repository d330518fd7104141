"""The command line: one file per command; main.py alone prints errors and exits."""
