"""A request that fits the description is never refused for its form."""

import schemathesis
from schemathesis.generation import GenerationMode

OF_FORM = {
    "bad_json", "unknown_field", "bad_query", "bad_cursor", "bad_request", "invalid_field",
    "token_in_query", "unsupported_media_type", "unsupported_encoding", "internal",
}


@schemathesis.check
def understood(ctx, response, case):
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    kind = response.headers.get("content-type", [""])[0]
    if kind.startswith("application/problem+json"):
        problem = response.json()
        assert problem["code"] not in OF_FORM, f"{problem['code']}: {problem['detail']}"
