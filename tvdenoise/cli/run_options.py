"""How a run goes about its pictures, whatever the results."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunOptions:
    """How pictures are gone through, and what is said of it; shard to memory, and fail_fast, are for several."""

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
