"""One file a section of PROTOCOL.md, in its order."""
