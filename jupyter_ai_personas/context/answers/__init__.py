"""Answers without a model: what a question asks for, and what of the workspace answers it; pure."""
