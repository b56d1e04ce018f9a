"""Telling people: what is to be said is kept with what happened, and sent by the worker."""
