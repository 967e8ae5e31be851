"""Which sessions the server forgets, and when."""

from datetime import datetime, timedelta

import gradio as gr
import pytest
from gradio.routes import App
from starlette.testclient import TestClient

from explorer.ui import sessions


def one() -> int:
    return 1


@pytest.fixture
def app():
    with gr.Blocks(analytics_enabled=False) as page:
        times = gr.State(0)
        button = gr.Button("Once more")
        button.click(lambda times: times + 1, times, times, api_name="more")
        gr.api(one)
    page.queue()
    return App.create_app(page, app_kwargs={"lifespan": sessions.forgetting})


def ask(client, name, session, data=()):
    given = {"data": list(data), "session_hash": session}
    client.post(f"/gradio_api/run/{name}", json=given).raise_for_status()


def test_calls_are_forgotten_soon_and_a_closed_page_later(app):
    holder = app.state_holder
    with TestClient(app) as client:
        for number in range(3):
            ask(client, "one", f"call{number}")
        ask(client, "more", "open", [None])
        ask(client, "more", "closed", [None])
        holder["closed"].is_closed = True
        now = datetime.now()
        sessions.forget(holder, now)
        assert len(holder.session_data) == 5
        sessions.forget(holder, now + timedelta(minutes=2))
        assert set(holder.session_data) == {"open", "closed"}
        sessions.forget(holder, now + timedelta(days=1))
        assert set(holder.session_data) == set(holder.time_last_used) == {"open"}


def test_a_forgotten_session_starts_anew(app):
    with TestClient(app) as client:
        ask(client, "one", "call")
        sessions.forget(app.state_holder, datetime.now() + timedelta(hours=1))
        ask(client, "one", "call")
        assert set(app.state_holder.session_data) == {"call"}


def test_the_server_looks_by_itself(app, monkeypatch):
    monkeypatch.setattr(sessions, "AFTER_A_CALL", timedelta(0))
    monkeypatch.setattr(sessions, "LOOK", 0.01)
    with TestClient(app) as client:
        ask(client, "one", "call")
        for _ in range(200):
            client.get("/gradio_api/startup-events")
            if not app.state_holder.session_data:
                return
    raise AssertionError("the session is still there")
