"""A browser's videos are listed for that browser, which has a secret in a cookie."""

import pytest

from web import video_queue

VIDEO = b"YUV4MPEG2 W320 H180 F30:1\n"


@pytest.fixture
def app(watch, clip, make_app, monkeypatch):
    monkeypatch.setattr(video_queue, "run_in_child", lambda *_, **options: None)
    return make_app(watch(str(clip)))


def names(client):
    return [video["name"] for video in client.get("/videos").get_json()["videos"]]


def test_a_browser_sees_its_videos_and_no_others(app):
    own, other, without = app.test_client(), app.test_client(), app.test_client(use_cookies=False)
    for client, name in ((own, "one"), (other, "two"), (own, "three"), (without, "four")):
        assert client.post(f"/videos?name={name}", data=VIDEO).status_code == 202
    assert names(own) == ["one", "three"]
    assert names(other) == ["two"]
    assert names(without) == names(app.test_client()) == []


@pytest.mark.parametrize("secret", ["", "short", "é" * 43, "a" * 5000])
def test_what_is_no_secret_of_the_apps_is_replaced(app, secret):
    browser = app.test_client(use_cookies=False)
    given = browser.get("/videos", headers={"Cookie": f"browser_={secret}"}).headers["Set-Cookie"]
    assert len(given.partition(";")[0]) > 40
    assert given.partition(";")[0] != f"browser_={secret}"


def test_the_cookie_is_for_one_port_and_hidden_from_scripts(app):
    def given(address):
        return app.test_client().get("/videos", base_url=address).headers["Set-Cookie"]

    assert given("http://127.0.0.1:5001").startswith("browser_5001=")
    assert {"HttpOnly", "SameSite=Lax"} <= set(given("http://127.0.0.1:5001").split("; "))
    assert "Secure" not in given("http://127.0.0.1:5001")
    assert "Secure" in given("https://127.0.0.1:5001").split("; ")
    client = app.test_client()
    assert "Set-Cookie" in client.get("/videos").headers
    assert "Set-Cookie" not in client.get("/videos").headers  # it has one
