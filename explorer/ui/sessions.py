"""What the server knows of a visitor is dropped once the visit is over.

Gradio copies the whole page's configuration for each session, a program's call included, and keeps
ten thousand of them: some megabytes each, until the machine is full.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder

MOST = 500  # at once; the one that was not used for longest makes room
LOOK = 20.0  # seconds between two looks
AFTER_A_CALL = timedelta(minutes=1)
AFTER_A_VISIT = timedelta(minutes=10)  # a connection that broke may come back


@asynccontextmanager
async def forgetting(app: App) -> AsyncIterator[None]:
    """A server's lifespan during which sessions that are over are forgotten."""
    task = asyncio.create_task(_keep_looking(app.state_holder))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_looking(holder: StateHolder) -> None:
    while True:
        forget(holder, datetime.now())
        await asyncio.sleep(LOOK)


def forget(holder: StateHolder, now: datetime) -> None:
    """Drop the sessions that are over. In the event loop: sessions are opened there too."""
    for name, session in list(holder.session_data.items()):
        if now - holder.time_last_used.get(name, now) > _kept(session):
            del holder.session_data[name]
            del holder.time_last_used[name]


def _kept(session: SessionState) -> timedelta:
    """How long after its last event: one without state is as good as a new one."""
    if not session.state_data:
        return AFTER_A_CALL
    return AFTER_A_VISIT if session.is_closed else timedelta.max
