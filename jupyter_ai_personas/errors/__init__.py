"""One tree of errors; a constructor takes facts, the message names the fix.

::

    PersonasError
    ├── ConfigurationError            a setting that cannot work
    ├── UnknownPersonaError           no persona of that name
    ├── PersonaCodeError              a mistake in a persona's code that is known by its signs
    ├── ServerObjectsError            a persona that needs the server's process runs in another one
    ├── ModelError
    │   ├── NoModelError              neither persona nor operator chose a model
    │   ├── UnknownProviderError      `provider_id` names no provider
    │   ├── UnknownModelError         the provider has no such model
    │   ├── ModelNotAllowedError      the operator's lists exclude it
    │   ├── NotAChatModelError        serves the magics only
    │   ├── MissingPackageError       the vendor's package is not installed
    │   ├── MissingCredentialsError   a variable is not set
    │   ├── RefusedCredentialsError   the vendor refused the credentials
    │   ├── RateLimitError            the vendor asks to slow down
    │   ├── ModelTimeoutError         no first chunk, or no end, in time
    │   └── ModelFailedError          anything else that the vendor answered
    │       └── ContextTooLongError   more text than the model can read
    ├── TurnError
    │   ├── TurnEndedError            written to after its end
    │   ├── NoTurnError               asked for `turn` outside of one
    │   ├── TurnTimeoutError          the persona took too long
    │   ├── ReplyTooLongError         the reply passed its bound
    │   ├── RequestRefusedError       the server does not do what a turn asks for
    │   ├── UnknownTurnError          no open chat has that turn
    │   ├── TurnStateError            the turn is not in a state for that
    │   ├── AgentError                an agent's process does not run or breaks the protocol
    │   ├── HostLostError             the persona's host hung or died
    │   └── HostUnavailableError      there is no worker that could run the persona
    ├── ChatError
    │   ├── ChatNotOpenError          no open chat at that path
    │   ├── RecordingError            a chat cannot be recorded or replayed
    │   ├── UnknownReplyError         the chat has no such reply
    │   ├── FeedbackError             a vote cannot be taken now
    │   └── AttachmentError           an attachment that cannot be read
    ├── ApprovalError
    │   ├── UnknownApprovalError      no open approval has that id
    │   ├── ApprovalDecidedError      somebody has decided it, or its time is over
    │   └── MayNotDecideError         this user may not decide it
    ├── ToolCallError                 a tool does not do what it is called for
    ├── SearchUnavailableError        the workspace's index cannot answer now
    │   └── SearchOffError            there is no index of the workspace here
    └── MagicsError                   `%ai` or `%%ai` cannot do what was typed

Messages are shown to people: one short paragraph, no path, no secret, no traceback.
"""

from jupyter_ai_personas.errors.base import (
    ConfigurationError,
    MagicsError,
    PersonaCodeError,
    PersonasError,
    SearchOffError,
    SearchUnavailableError,
    ServerObjectsError,
    UnknownPersonaError,
    did_you_mean,
    near_matches,
)
from jupyter_ai_personas.errors.chats import (
    AttachmentError,
    ChatError,
    ChatNotOpenError,
    FeedbackError,
    RecordingError,
    UnknownReplyError,
)
from jupyter_ai_personas.errors.models import (
    ContextTooLongError,
    MissingCredentialsError,
    MissingPackageError,
    ModelError,
    ModelFailedError,
    ModelNotAllowedError,
    ModelTimeoutError,
    NoModelError,
    NotAChatModelError,
    RateLimitError,
    RefusedCredentialsError,
    UnknownModelError,
    UnknownProviderError,
)
from jupyter_ai_personas.errors.tools import (
    ApprovalDecidedError,
    ApprovalError,
    MayNotDecideError,
    ToolCallError,
    UnknownApprovalError,
)
from jupyter_ai_personas.errors.turns import (
    AgentError,
    HostLostError,
    HostUnavailableError,
    NoTurnError,
    ReplyTooLongError,
    RequestRefusedError,
    TurnEndedError,
    TurnError,
    TurnStateError,
    TurnTimeoutError,
    UnknownTurnError,
)

__all__ = [
    "AgentError",
    "ApprovalDecidedError",
    "ApprovalError",
    "AttachmentError",
    "ChatError",
    "ChatNotOpenError",
    "ConfigurationError",
    "ContextTooLongError",
    "FeedbackError",
    "HostLostError",
    "HostUnavailableError",
    "MagicsError",
    "MayNotDecideError",
    "MissingCredentialsError",
    "MissingPackageError",
    "ModelError",
    "ModelFailedError",
    "ModelNotAllowedError",
    "ModelTimeoutError",
    "NoModelError",
    "NoTurnError",
    "NotAChatModelError",
    "PersonaCodeError",
    "PersonasError",
    "RateLimitError",
    "RecordingError",
    "RefusedCredentialsError",
    "ReplyTooLongError",
    "RequestRefusedError",
    "SearchOffError",
    "SearchUnavailableError",
    "ServerObjectsError",
    "ToolCallError",
    "TurnEndedError",
    "TurnError",
    "TurnStateError",
    "TurnTimeoutError",
    "UnknownApprovalError",
    "UnknownModelError",
    "UnknownPersonaError",
    "UnknownProviderError",
    "UnknownReplyError",
    "UnknownTurnError",
    "did_you_mean",
    "near_matches",
]
