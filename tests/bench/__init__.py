"""The benchmark's instruments, tested as instruments: by what they measure of something known."""
