"""The picture formats: one module each with ``read``, ``write`` and ``without_metadata``, and the table of them."""
