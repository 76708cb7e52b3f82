"""A whole sale through a generated client: an operator makes it, two shoppers join and buy, a third comes too late.
`make clients` generates ropeline_client from openapi.json, type-checks this file and runs it against a gateway of
its own."""

import os
import time
from typing import TypeVar

from ropeline_client import AuthenticatedClient, Client
from ropeline_client.api.operator import close, create, open_, reconciliation, seed
from ropeline_client.api.shopper import confirm, join, ticket
from ropeline_client.models import (
    Close,
    Confirm,
    Hold,
    Joined,
    NewSale,
    Problem,
    Reconciliation,
    Sale,
    Seed,
    SettledHold,
    TicketState,
)

URL = os.environ["ROPELINE_URL"]
KEY = os.environ["ROPELINE_KEY"]
T = TypeVar("T")


def expect(kind: type[T], answer: object) -> T:
    """The answer, which must be of this kind; anything else is an error."""
    if not isinstance(answer, kind):
        raise RuntimeError(f"not a {kind.__name__}: {answer}")
    return answer


def admitted(sale: str, place: Joined) -> Hold:
    """Polls as often as the gateway asks for, until the ticket is admitted."""
    shopper = AuthenticatedClient(base_url=URL, token=place.credential)
    while True:
        state = expect(TicketState, ticket.sync(sale, place.ticket, client=shopper))
        if state.state == "admitted":
            return expect(Hold, state.hold)
        assert state.state == "waiting", state
        time.sleep(state.next_poll_seconds or 1)


operator = AuthenticatedClient(base_url=URL, token=KEY)

settings = NewSale(slug="python", name="From Python", checkout="builtin", admit_interval_ms=100)
sale = expect(Sale, create.sync(client=operator, body=settings)).id
expect(object, seed.sync(sale, client=operator, body=Seed(count=2)))
expect(Sale, open_.sync(sale, client=operator))

for reference in ["pi_1", "pi_2"]:
    # A client for each shopper: the join sets a cookie, and whoever sends it back has a place already.
    place = expect(Joined, join.sync(sale, client=Client(base_url=URL)))
    hold = admitted(sale, place)
    shopper = AuthenticatedClient(base_url=URL, token=place.credential)
    body = Confirm(payment_reference=reference)
    bought = expect(SettledHold, confirm.sync(hold.id, client=shopper, body=body))
    assert bought.state == "confirmed", bought

# Every unit is sold: the next shopper is told so in a problem.
late = expect(Problem, join.sync(sale, client=Client(base_url=URL)))
assert late.code == "sold-out", late

expect(Sale, close.sync(sale, client=operator, body=Close()))
books = expect(Reconciliation, reconciliation.sync(sale, client=operator))
assert books.consistent, books.checks
print("Python: 2 units sold, reconciliation consistent")
