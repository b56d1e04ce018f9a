"""Tests of city."""
