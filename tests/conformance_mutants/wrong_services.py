"""Mistakes in level 4: of a service that gives or takes tickets, and of either side of the callback.

They are made in the tiny service, which stands on the tiny server.
"""

from __future__ import annotations

from typing import Final

from tests.conformance_mutants.mutation import Mutation

TTL: Final = 2.0

MUTATIONS: Final = (
    Mutation(
        "tickets do not say when they end",
        '"expiresAt": expires_at}',
        '"expires": expires_at}',
        "tickets/issued",
    ),
    Mutation("init needs no ticket", "self.with_ticket(super().init)", "super().init()", "tickets/required"),
    Mutation(
        "any seal will do",
        "good = sent and hmac.compare_digest(self.server.seal(sent[1]), sent[2])",
        "good = sent",
        "tickets/forged",
    ),
    Mutation(
        "tickets are good for ever",
        "fresh = json.loads(base64.urlsafe_b64decode(sent[1]))[1] > stamp()",
        "fresh = True",
        "tickets/expired",
        ttl=TTL,
    ),
    Mutation(
        "completion wants a ticket too",
        "claim = self.json_body([]",
        "self.with_ticket(lambda: (200, (), {})); claim = self.json_body([]",
        "tickets/not-needed",
    ),
    Mutation(
        "unsigned callbacks are taken",
        'ensure(signed, 401, "unauthorized"',
        'ensure(True, 401, "unauthorized"',
        "callback/verified",
    ),
    Mutation("signatures are good for an hour", "TOLERANCE = 300", "TOLERANCE = 3600", "callback/timely"),
    Mutation(
        "any key is read",
        'ensure(staged and staged[1] == told["sessionId"], 400',
        "ensure(True, 400",
        "callback/staging-only",
    ),
    Mutation(
        "every delivery is a new one",
        'if sent["id"] not in self.server.answers:',
        "if True:",
        "callback/once",
    ),
    Mutation(
        "the body is signed without the time",
        'headers["webhook-signature"] = sign(self.secret, message_id, sent_at, body)',
        'headers["webhook-signature"] = sign(self.secret, message_id, "", body)',
        "callback/signed",
    ),
    Mutation(
        "completed before the application has said so",
        'return 202, {"state": "finalizing"}, {"Retry-After": "1"}',
        'return 200, {"state": "completed", "file": {}, "duplicate": False}, {}',
        "callback/yes",
    ),
    Mutation("a refusal is one more failure", "if status == 422 and", "if status == 423 and", "callback/no"),
    Mutation(
        "an error is as good as a yes",
        "if status == 200 and isinstance(answer, dict):",
        'if status in (200, 500) and (answer := answer or {"fileId": "?"}):',
        "callback/repeated",
    ),
    Mutation(
        "a new id for every try",
        'connection.request("POST", address.path, body, headers)',
        'headers["webhook-id"] += sent_at[-1] + secrets.token_hex(2); '
        'connection.request("POST", address.path, body, headers)',
        "callback/repeated",
    ),
    Mutation(
        "redirects are followed",
        "answer = connection.getresponse()",
        "answer = connection.getresponse(); to = answer.getheader('Location'); import urllib.request as r; "
        "answer = r.urlopen(r.Request(to, body, headers)) if to else answer",
        "callback/no-redirect",
    ),
)
