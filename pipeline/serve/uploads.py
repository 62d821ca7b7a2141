"""What clients send, written to files within bounds."""

import asyncio
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

GONE = HTTPException(499, "the client has gone")
"""Nobody reads it; logs of proxies know it so."""


async def receive(request: Request, path: Path, most: int, seconds: float) -> None:
    """Write a request's body to a file; 413 where it is too large, 408 where it takes too long."""
    too_large = HTTPException(413, f"at most {most} bytes are taken")
    if int(request.headers.get("content-length", "0")) > most:
        raise too_large
    size = 0
    try:
        async with asyncio.timeout(seconds):
            with path.open("wb") as file:
                async for piece in request.stream():
                    size += len(piece)
                    if size > most:
                        raise too_large
                    file.write(piece)
    except ClientDisconnect:
        raise GONE from None
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took more than {seconds:g} s") from error
    if not size:
        raise HTTPException(422, "the body is empty; send a file's content")
