"""Reranks through Cohere's own client: rerank_client.py HOST:PORT TOKEN. Prints what it read of each answer as JSON."""

import json
import sys

import cohere

QUERY = "reset my password"
DOCUMENTS = ["Choose a theme under Appearance.", "To reset your password, open Settings.", "Receipts are sent by email."]


def read(answer):
    """The places of the documents, best first, and the first score."""
    return {"order": [result.index for result in answer.results], "score": answer.results[0].relevance_score}


def main(address, token):
    base = f"http://{address}"
    first = cohere.Client(api_key=token, base_url=base, timeout=10)
    second = cohere.ClientV2(api_key=token, base_url=base, timeout=10)
    stranger = cohere.ClientV2(api_key="nobody", base_url=base, timeout=10)
    try:
        refused = stranger.rerank(model="any", query=QUERY, documents=DOCUMENTS)
    except cohere.UnauthorizedError as error:
        refused = {"status": error.status_code, "code": error.body["error"]["code"]}
    answers = {
        "v1": read(first.rerank(model="any", query=QUERY, documents=DOCUMENTS, top_n=2)),
        "v2": read(second.rerank(model="any", query=QUERY, documents=DOCUMENTS, max_tokens_per_doc=512)),
        "refused": refused,
    }
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:3])
