"""The relay tells connections apart, and goes on when one of them has no other end any more."""

from __future__ import annotations

from seatrial.emulator.wire.relay import Relay


def test_a_call_whose_client_has_gone_belongs_to_no_port() -> None:
    relay = Relay(1)  # nothing listens there, and nothing is asked
    try:
        assert relay.port_of("") is None
        relay.drop("")
    finally:
        relay.close()
