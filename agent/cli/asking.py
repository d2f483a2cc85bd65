"""Asking the running daemon through its control socket; what to say when it does not answer. No command lives here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from config.errors import ConfigError
from config.settings import Settings
from config.settings import load as load_settings

DEFAULT_CONFIG = Path("/etc/boitier/agent.toml")
DEFAULT_SOCKET = Path("/run/boitier/control.sock")
PATIENCE_S = 5.0


def settings_of(config: Path) -> Settings:
    """Exit 1 with every problem, one a line."""
    try:
        return load_settings(config)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def socket_of(config: Path | None, socket: Path | None) -> Path:
    if socket is not None:
        return socket
    if config is not None:
        return Path(settings_of(config).socket)
    # os.access, because is_file() raises where the folder is closed to this user: then the usual socket is tried.
    return Path(settings_of(DEFAULT_CONFIG).socket) if os.access(DEFAULT_CONFIG, os.R_OK) else DEFAULT_SOCKET


def reply_to(op: str, config: Path | None, socket: Path | None) -> Mapping[str, Any] | str:
    """What the daemon answers to `op`, or why it does not: for those who ask again and again."""
    from drivers.errors import DeviceError
    from drivers.local.control import ask

    try:
        answer = ask(socket_of(config, socket), {"op": op}, PATIENCE_S)
    except DeviceError as error:
        return str(error)
    found: Mapping[str, Any] = answer.get(op, {})
    return found if answer.get("ok") else str(answer.get("why"))


def answer_of(
    op: str, config: Path | None, socket: Path | None, patience_s: float = PATIENCE_S, **more: object
) -> Mapping[str, Any]:
    """What the daemon answers to `op` and what else is told. Exit 1, with what to do, when it does not."""
    from drivers.errors import DeviceError
    from drivers.local.control import ask

    path = socket_of(config, socket)
    try:
        answer = ask(path, {"op": op, **more}, patience_s)
    except DeviceError as error:
        click.echo(f"boitier does not answer at {path} ({error}).", err=True)
        click.echo("Is it running?  systemctl status boitier   or   boitier run --config FILE", err=True)
        sys.exit(1)
    if not answer.get("ok"):
        click.echo(f"boitier refuses: {answer.get('why')}", err=True)
        sys.exit(1)
    found: Mapping[str, Any] = answer[op]
    return found
