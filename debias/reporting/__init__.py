"""Rendering of results that were computed elsewhere."""
