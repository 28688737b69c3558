"""The page with the real server, from the first message to the memory of models."""

import json
import re
import urllib.request

from browser import tab
from playwright.sync_api import expect

NAME = "scripted"
SCRIPTS = [
    {"when": "asked == 'hello'", "say": "<think>\nThey greet.\n</think>\n\nHello, **wörld**! 🦀"},
    {"when": "asked == 'code'", "say": "<think>\nCode.\n</think>\n\n```rust\nfn main() {}\n```\nDone."},
    {"when": "asked == 'person'", "say": '{"name": "Zoë"}'},
    {"when": "asked == 'long'", "say": "<think>\nLong.\n</think>\n\n" + " ".join(f"number {at}," for at in range(6000))},
]


def run(running, address):
    with tab(running, address) as it:
        it.open()
        expect(it.page.locator("#model")).to_have_value(re.compile(NAME))
        it.send("hello")
        assert it.last_answer() == "Hello, wörld! 🦀", it.last_answer()
        assert it.page.locator(".thoughts").text_content().strip() == "They greet."
        expect(it.page.locator(".facts")).to_contain_text("tokens/s")
        expect(it.page.locator("#context")).to_contain_text(" / ")
        expect(it.page.locator("#model-state")).to_contain_text("In memory")
        it.page.keyboard.press("Control+,")
        it.page.select_option("#set-thinking", "off")
        it.page.select_option("#set-format", "json")
        it.page.get_by_role("button", name="Done").click()
        it.send("person")
        assert json.loads(it.answers.last.locator("code").text_content())["name"] == "Zoë"
        assert it.page.locator(".reasoning").count() == 1
        it.page.keyboard.press("Control+,")
        it.page.select_option("#set-format", "text")
        it.page.get_by_role("button", name="Done").click()
        it.send("long", waits=False)
        expect(it.answers.last).to_contain_text("number 3,")
        it.page.click("#stop")
        it.wait_for_end()
        # The server has noticed that nobody reads on.
        metrics = lambda: urllib.request.urlopen(f"{address}/metrics").read().decode()
        for _ in range(50):
            if 'requests_running{model="' not in metrics() or re.search(r'requests_running\{[^}]*\} 0', metrics()):
                break
            it.page.wait_for_timeout(100)
        else:
            raise AssertionError(metrics())
        it.page.goto(f"{address}/#models")
        card = it.page.locator(".card", has_text=NAME)
        expect(card).to_contain_text("In memory")
        expect(card).to_contain_text("reasoning")
        card.get_by_role("button", name="Unload").click()
        expect(card).to_contain_text("On disk")
        card.get_by_role("button", name="Load", exact=True).click()
        expect(card).to_contain_text("In memory")
        it.page.get_by_label("Get a model").fill("not a name")
        it.page.keyboard.press("Enter")
        expect(it.page.locator(".pulls .failed")).to_be_visible()
        it.expects_refusals = True
    page = urllib.request.urlopen(urllib.request.Request(f"{address}/", headers={"accept": "text/html"})).read()
    assert urllib.request.urlopen(f"{address}/").read() == b"Ollama is running" and page.startswith(b"<!doctype html>")
