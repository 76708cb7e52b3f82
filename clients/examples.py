"""Holds every example in openapi.json against its schema: examples.py openapi.json. See scripts/clients."""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker

METHODS = {"get", "post", "patch", "put", "delete"}


def media(call):
    """Each media type of a call's request and answers, with a name."""
    parts = {"request": call.get("requestBody", {}), **call["responses"]}
    for name, part in parts.items():
        for media in part.get("content", {}).values():
            yield name, media


def examples(media):
    if "example" in media:
        yield media["example"]
    for example in media.get("examples", {}).values():
        yield example["value"]


def main(file):
    document = json.load(open(file))
    count, wrong = 0, []
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            if method not in METHODS:
                continue
            for part, kind in media(call):
                schema = {**kind["schema"], "components": document["components"]}
                validator = Draft202012Validator(schema, format_checker=FormatChecker())
                for example in examples(kind):
                    count += 1
                    wrong += [f"{method} {path}, {part}: {error.message}" for error in validator.iter_errors(example)]
    if wrong or not count:
        sys.exit("examples: " + "\n".join(wrong or ["none"]))
    print(f"{count} examples fit their schemas")


main(sys.argv[1])
