"""The runtime: chats, actors, turns, hosts and the ledger in one supervised task tree.

From a person's message to a reply, in the order of the calls:

1. ``server/chats`` opens a :class:`Session` for each chat. The chat calls :meth:`Session._observe`
   with each change, and :meth:`Session.run` handles the events in order.
2. :meth:`Router.handle` runs a command, or finds the addressed personas with
   :func:`~jupyter_ai_personas.routing.addressing.address` and submits a :class:`TurnOrder`.
3. :meth:`Scheduler.submit` records the turns in the ledger and queues each in its :class:`Actor`.
4. :meth:`Execution.run` starts a turn in the host of its persona (:meth:`HostPool.start`). There,
   :class:`TurnRunner` calls :meth:`BasePersona.process_message`.
5. :meth:`Execution._on_event` gets what the persona does as events. :class:`Replies` passes text to
   :class:`ReplyWriter`, which writes it into the chat.
6. :class:`ReplyFinished` comes back to the session, which passes the reply on to the personas that
   it mentions.

``docs/architecture.md`` lists the modules, and where to add a command, a host, a kind of write.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
