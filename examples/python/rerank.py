"""Ranks documents with Cohere's own client: rerank.py URL TOKEN. The access token is its API key."""

import sys

import cohere

QUERY = "reset my password"
DOCUMENTS = [
    "Choose a theme under Appearance.",
    "To reset your password, open Settings.",
    "Receipts are sent by email.",
]

url, token = sys.argv[1:3]
client = cohere.ClientV2(api_key=token, base_url=url, timeout=10)
# The operator decides which model ranks; the name that the client sends is not used.
answer = client.rerank(model="any", query=QUERY, documents=DOCUMENTS, top_n=2)
for result in answer.results:
    print(f"{result.relevance_score:.2f} {DOCUMENTS[result.index]}")
