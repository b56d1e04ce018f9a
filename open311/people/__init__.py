"""The people behind the requests: who may read of them, and what is given out, redacted and erased."""
