"""Several servers on one machine: two of level 3 behind nginx, and what they share. See README.md here.

`python -m level3_s3_multipart.cluster` runs it all until Ctrl-C; the tests drive the same parts one by one.
"""
