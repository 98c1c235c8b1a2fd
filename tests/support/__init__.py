"""The harness: a real Jupyter server, real WebSocket chat clients, real browsers.

Nothing here mocks anything. ``server`` starts a server process, ``plugin`` writes packages it can
import, ``yclient`` joins a chat as the stock front end does, ``browser`` drives that front end.
"""
