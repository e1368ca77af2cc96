"""What is asked about the way, not the result."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Manner:
    """How pictures are gone through, and what is said of it; the first three are for several."""

    shard: tuple[int, int] = (1, 1)
    workers: int | None = None
    scheduler: str | None = None
    memory: int | None = None
    overwrite: bool = False
    fail_fast: bool = False
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
