"""Holds recorded messages against the models of OpenAI's published SDK (PyPI `openai`), strictly.

Standard input: one JSON object per line, {"side": "client" | "server", "event": {…}}.
Every field must be one of the model's, every required field must be there, every value must have the
annotated type; nothing is coerced. Prints one line per finding; the exit code is 1 if there is one.
"""

import json
import sys
import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from openai.types import realtime
from openai.types.realtime import realtime_session_create_response
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import BaseModel

# The session object of server events carries id, object and expires_at. The SDK has those fields only in the
# model of the session that REST answers with.
SESSION = realtime_session_create_response.RealtimeSessionCreateResponse


def members(union):
    if get_origin(union) is Annotated:
        return members(get_args(union)[0])
    return get_args(union)


def by_type(union):
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in members(union)}


MODELS = {"client": by_type(RealtimeClientEvent), "server": by_type(RealtimeServerEvent)}


def check(annotation, value, path):
    """The findings for one value; none if it is what the annotation says."""
    origin = get_origin(annotation)
    if annotation in (Any, object):
        return []
    if origin is Annotated:
        return check(get_args(annotation)[0], value, path)
    if origin in (Union, types.UnionType):
        found = [check(option, value, path) for option in get_args(annotation)]
        return min(found, key=lambda findings: (len(findings), -max((len(f) for f in findings), default=0)))
    if origin is Literal:
        return [] if value in get_args(annotation) else [f"{path}: {value!r} is none of {get_args(annotation)}"]
    if origin in (list, typing.List):
        if not isinstance(value, list):
            return [f"{path}: no list"]
        (item,) = get_args(annotation)
        return [finding for n, entry in enumerate(value) for finding in check(item, entry, f"{path}[{n}]")]
    if origin in (dict, typing.Dict):
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        _, item = get_args(annotation)
        return [finding for key, entry in value.items() for finding in check(item, entry, f"{path}.{key}")]
    if annotation is type(None):
        return [] if value is None else [f"{path}: not null"]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return check_model(annotation, value, path)
    if annotation is float:
        is_right = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif annotation is int:
        is_right = isinstance(value, int) and not isinstance(value, bool)
    else:
        is_right = isinstance(value, annotation)
    return [] if is_right else [f"{path}: {value!r} is no {annotation.__name__}"]


def check_model(model, value, path):
    if not isinstance(value, dict):
        return [f"{path}: no object"]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    findings = [f"{path}: unknown field {key}" for key in value if key not in fields]
    findings += [f"{path}: lacks {key}" for key, field in fields.items() if field.is_required() and key not in value]
    for key, field in fields.items():
        if key in value:
            findings += check(field.annotation, value[key], f"{path}.{key}")
    return findings


def check_event(side, event):
    kind = event.get("type")
    model = MODELS[side].get(kind)
    if model is None:
        return [f"{side}: there is no message {kind}"]
    if kind in ("session.created", "session.updated"):
        event = dict(event)
        findings = check_model(SESSION, event.pop("session", None), f"{kind}.session")
        rest = [finding for finding in check_model(model, event, kind) if not finding.endswith("lacks session")]
        return findings + rest
    return check_model(model, event, kind)


def main():
    findings, kinds = set(), {"client": set(), "server": set()}
    for line in sys.stdin:
        record = json.loads(line)
        kinds[record["side"]].add(record["event"].get("type"))
        findings.update(check_event(record["side"], record["event"]))
    for finding in sorted(findings):
        print(finding)
    for side, seen in kinds.items():
        print(f"checked {side}: {', '.join(sorted(seen))}", file=sys.stderr)
    sys.exit(1 if findings else 0)


assert realtime  # The package must have the models at all.
main()
