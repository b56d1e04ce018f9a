"""Tests, by the tree they test."""
