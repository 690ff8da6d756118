"""What Schemathesis does not know by itself: media types of this service, and objects that exist."""

import json
import os

import schemathesis

# {"videos": id, "recordings": id, "streams": id, "images": id}
OBJECTS = json.loads(os.environ["SIGHTGLASS_OBJECTS"])


@schemathesis.serializer("application/sdp")
def sdp(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("application/x-ndjson")
def lines(ctx, response):
    # The description gives the schema of one line.
    text = response.content.decode()
    return json.loads(text.splitlines()[0]) if text else {"frame": 0, "time": 0, "width": 1, "height": 1, "detections": []}


@schemathesis.deserializer("image/jpeg", "image/*", "video/*")
def media(ctx, response):
    # To a schema bytes are a string.
    return response.content.decode("latin-1")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Well-formed requests are asked of an object that exists, so that its description is checked. It is not deleted."""
    if case.meta is None or not case.meta.generation.mode.is_positive or case.method.upper() == "DELETE":
        return
    kind = case.path.split("/")[2] if case.path.startswith("/api/") else ""
    if "id" in (case.path_parameters or {}) and kind in OBJECTS:
        case.path_parameters["id"] = OBJECTS[kind]
