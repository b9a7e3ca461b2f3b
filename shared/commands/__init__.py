"""The commands of `upload-levels`, one a file; `shared/cli.py` lists them."""
