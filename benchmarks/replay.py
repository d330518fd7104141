"""What reading a study back costs: replay of 1,000,000 events against decoding their lines alone."""

from __future__ import annotations

from benchmarks.measure import Check, Options, in_fresh_process, interleaved, table

EVENTS, QUICK_EVENTS = 1_000_000, 50_000
ROUNDS, QUICK_ROUNDS = 3, 1
BASE, WEFT = "msgspec decodes the lines", "replay to a state"
LIMIT = 4.0
TIMEOUT = 300.0  # seconds


def measure(options: Options) -> list[Check]:
    """Writes the journal once and times both ways through it in turn, each in a fresh process."""
    count = options.choose(EVENTS, QUICK_EVENTS)
    print(f"replay: a journal of {count} events")
    path = str(options.folder / "journal.jsonl")
    in_fresh_process("benchmarks.journals", "write", path, str(count), timeout=TIMEOUT)
    contenders = {
        BASE: lambda: in_fresh_process("benchmarks.journals", "decode", path, timeout=TIMEOUT),
        WEFT: lambda: in_fresh_process("benchmarks.journals", "replay", path, timeout=TIMEOUT),
    }
    result = interleaved(BASE, contenders, QUICK_ROUNDS if options.quick else ROUNDS)
    print(table(["contender", "ratio", "range"], result.rows([BASE, WEFT])))
    print(result.warning(), end="")
    return [Check("replay to decoding alone", result.ratio(WEFT), LIMIT)]
