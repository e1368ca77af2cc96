"""Picture files: what can be read whole, what must be written back with it. No other room opens picture files."""

from tvdenoise.images.files import check_conversion, check_target, read, write
from tvdenoise.images.picture import Picture

__all__ = ["Picture", "check_conversion", "check_target", "read", "write"]
