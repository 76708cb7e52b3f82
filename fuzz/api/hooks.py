"""What a schema cannot say of a valid request. A request that is meant to be refused is left as it is."""

import hashlib
import json

import schemathesis

MOST_UNITS = 1000


@schemathesis.hook
def before_call(context, case, kwargs):
    mode = case.meta.generation.mode if case.meta else None
    if mode is None or mode.is_negative:
        return
    # A key belongs to one request: with another body it is refused as used.
    if case.headers and "Idempotency-Key" in case.headers:
        said = json.dumps([case.path_parameters, case.body], default=str, sort_keys=True)
        mark = hashlib.sha256(said.encode()).hexdigest()[:16]
        case.headers["Idempotency-Key"] = case.headers["Idempotency-Key"][:180] + mark
    # A cursor is what a page gave.
    if case.query and "cursor" in case.query:
        del case.query["cursor"]
    # Millions of units in every sale would measure the machine and not the answers.
    if isinstance(case.body, dict) and isinstance(case.body.get("count"), int):
        case.body["count"] = min(case.body["count"], MOST_UNITS)
    # A sale ends after it starts; the other time may be one that it has already. A time that is over is refused.
    if isinstance(case.body, dict):
        for name in ("starts_at", "ends_at"):
            if isinstance(case.body.get(name), str):
                case.body[name] = "2096" + case.body[name][4:]
        if case.body.get("ends_at"):
            case.body["starts_at"] = None
        elif "starts_at" in case.body:
            case.body["ends_at"] = None
