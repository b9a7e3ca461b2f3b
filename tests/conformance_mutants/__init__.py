"""Proof that the suite judges: one server that passes, many that differ from it in a line and do not."""
