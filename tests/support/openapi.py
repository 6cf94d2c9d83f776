"""The OpenAPI document as tests read it: whole paths, and responses in place of references to them."""

import json
from typing import Any

from fastapi import FastAPI


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the document with whole paths and without references to responses."""
    document: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    [server] = document["servers"]
    document["paths"] = {server["url"] + path: methods for path, methods in document["paths"].items()}
    shared = document["components"].pop("responses")
    for methods in document["paths"].values():
        for operation in methods.values():
            responses = operation["responses"]
            operation["responses"] = {
                status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
                for status, response in responses.items()
            }
    return document
