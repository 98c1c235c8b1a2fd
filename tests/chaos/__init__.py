"""Kill the server again and again while people chat: ``python -m chaos --rounds 30`` in ``tests``.

A round is a busy time of random length in one chat, ``kill -9``, a restart, and the people who
come back. At its end everything asked must be answered once, or have a reason: ``tally`` judges
what the document holds, ``play`` makes the trouble, ``personas`` are those that answer.
"""
