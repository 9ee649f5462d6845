"""Credentials for schemathesis: a device's token, and an admin's signature on what is the admin's."""

import base64
import datetime
import os
import secrets
import urllib.parse

import requests
import schemathesis
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

BASE = os.environ["CLEARVIEW_URL"]


class Keys(HTTPSignatureKeyResolver):
    def resolve_private_key(self, key_id):
        return base64.b64decode(os.environ["CLEARVIEW_ADMIN_KEY"])


SIGNER = HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Keys())


class Credentials(requests.auth.AuthBase):
    token = None

    def __call__(self, request):
        path = urllib.parse.urlsplit(request.url).path
        if path.startswith("/v1/admin/"):
            sign(request)
        else:
            Credentials.token = Credentials.token or register()
            request.headers["Authorization"] = f"Bearer {Credentials.token}"
            if request.method == "DELETE" or path.endswith("/revoke"):
                # It may have ended its own session.
                Credentials.token = None
        return request


def register():
    answer = requests.post(f"{BASE}/v1/auth/register", json={"deviceId": secrets.token_hex(16)}, timeout=10)
    return answer.json()["accessToken"]


def sign(request):
    for name in ["Signature", "Signature-Input", "Content-Digest"]:
        request.headers.pop(name, None)
    query = urllib.parse.parse_qsl(urllib.parse.urlsplit(request.url).query, keep_blank_values=True)
    covered = ["@method", "@authority", "@path"]
    covered += sorted({f'"@query-param";name="{urllib.parse.quote(name, safe="*-._")}"' for name, _ in query})
    body = request.body.encode() if isinstance(request.body, str) else request.body
    try:
        SIGNER.sign(
            request,
            key_id="contract",
            nonce=secrets.token_hex(16),
            tag="clearview",
            created=datetime.datetime.now(datetime.timezone.utc),
            covered_component_ids=covered,
            body=body if isinstance(body, bytes) and body else None,
        )
    except Exception:
        # A request that cannot be signed is sent as it is, and refused.
        pass


schemathesis.auth.set_from_requests(Credentials())
