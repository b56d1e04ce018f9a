"""The life of a request, a file per verb."""
