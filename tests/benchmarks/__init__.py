"""Benchmarks with a real server and real WebSocket clients: ``python -m benchmarks`` in ``tests``.

``streaming`` runs the published alternative and a floor beside this project; the other suites
measure this project, or the same server with and without it. Each suite is a module with
``run(options)``; ``report`` writes what they return.
"""
