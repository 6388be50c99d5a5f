# What schemathesis cannot know from an OpenAPI text. Loaded by it (SCHEMATHESIS_HOOKS).
import json
import os

import schemathesis
from hypothesis import strategies as st

KNOWN = json.loads(os.environ.get("FUZZ_KNOWN", "{}"))

# Lines of an NDJSON body: JSON of any form, text, and bytes that are neither.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
FIELDS = ["transaction_id", "event_time", "customer_id", "card_id", "merchant_id", "amount", "currency", "channel",
          "device_id", "metrics", "fraud", "labelled_at", "source", "updated_at", "fields", "name", "__proto__"]
LINES = (
    VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=8).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
)
NDJSON = st.lists(LINES, max_size=8).map(b"\n".join)

schemathesis.openapi.media_type("application/x-ndjson", NDJSON)


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    # Every third value of a parameter is one of which there is something to be found.
    for name, values in KNOWN.items():
        if path_parameters and name in path_parameters:
            at = len(str(path_parameters[name]))
            if at % 3 == 0:
                path_parameters[name] = values[at % len(values)]
    return path_parameters
