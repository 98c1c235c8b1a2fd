"""MCP servers that a persona is given."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["EnvVariable", "HttpHeader", "McpServerHttp", "McpServerStdio", "McpSettings"]


class EnvVariable(BaseModel):
    """A variable of a server's environment."""

    name: str
    value: str


class HttpHeader(EnvVariable):
    """A header of requests to a server."""


class McpServerStdio(BaseModel):
    """A server that is started and speaks over stdio."""

    name: str
    command: str
    args: list[str] = Field(default_factory=list)
    env: list[EnvVariable] = Field(default_factory=list)


class McpServerHttp(BaseModel):
    """A server that is reached by HTTP."""

    name: str
    url: str
    type: Literal["http"] = "http"
    headers: list[HttpHeader] = Field(default_factory=list)


class McpSettings(BaseModel):
    """The servers of a persona."""

    mcp_servers: list[McpServerStdio | McpServerHttp]
