"""Two users whose every answer is judged."""

from tests.service.systems.judged import ann, bob

__all__ = ["ann", "bob"]
