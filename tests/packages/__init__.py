"""Packages written for Jupyter AI, unmodified, on a real server."""
