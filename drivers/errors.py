"""What a device error must answer: is it worth retrying, and may it have happened all the same?

    DeviceError
    ├── DeviceGone      unplugged, deleted, closed by the other side
    └── DeviceTimeout   no answer before the deadline
"""

from __future__ import annotations


class DeviceError(Exception):
    """retryable: open it again with back-off. may_have_happened: never repeat an actuation blindly."""

    def __init__(self, text: str, *, retryable: bool = True, may_have_happened: bool = False) -> None:
        super().__init__(text)
        self.retryable = retryable
        self.may_have_happened = may_have_happened


class DeviceGone(DeviceError):
    """The device is not there any more."""


class DeviceTimeout(DeviceError):
    """The device did not answer in time; it may have acted."""

    def __init__(self, text: str, *, retryable: bool = True, may_have_happened: bool = True) -> None:
        super().__init__(text, retryable=retryable, may_have_happened=may_have_happened)
