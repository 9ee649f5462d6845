"""LiteLLM's way to limits by key without PostgreSQL: keys are looked up by this function, and its own limiter counts in Redis."""

from litellm.proxy._types import UserAPIKeyAuth


async def authenticate(request, api_key: str) -> UserAPIKeyAuth:
    """Knows every key, and gives each limits that are never met."""
    return UserAPIKeyAuth(api_key=api_key, rpm_limit=1_000_000_000, tpm_limit=1_000_000_000, max_parallel_requests=1_000_000)
