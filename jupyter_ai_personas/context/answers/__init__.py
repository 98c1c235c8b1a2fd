"""Answers without a model: classifies a question and finds the answer in the workspace; pure."""
