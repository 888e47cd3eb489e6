"""How the simulated service says no."""

from __future__ import annotations


class Refused(Exception):
    """An answer other than 2xx.

    `code` is AWS's error code; empty for the bare answers of the gateway in front of the service. `status` 0 leaves
    the HTTP status to the service model.
    """

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid_parameter(message: str) -> Refused:
    return Refused("InvalidParameterException", message)


def invalid_request(message: str) -> Refused:
    return Refused("InvalidRequestException", message)


def not_found(message: str) -> Refused:
    return Refused("ResourceNotFoundException", message)
