"""``python -m weft`` is ``weft``: the first thing that runs, and light, so that Ctrl-C never meets half an import."""

from __future__ import annotations


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it as at any later time."""
    try:
        from weft.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
