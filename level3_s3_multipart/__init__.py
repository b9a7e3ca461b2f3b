"""Level 3: the same protocol, onto S3 multipart."""
