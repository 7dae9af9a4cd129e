"""Asking models behind servers of the OpenAI API: requests, retries, keys, money."""
