"""The picture formats: one module each with ``read`` and ``write``, and the table of them."""
