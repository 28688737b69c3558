"""What users do with the page. Each function is one journey, with a browser of its own and a scripted server."""

import base64
import json
import pathlib
import struct
import tempfile
import zlib

from browser import PHONE, tab
from peer import CONTEXT, HELLO, PREFIX
from playwright.sync_api import expect

REPORTS = pathlib.Path(__file__).parents[2] / "docs/examples"
FOLDER = pathlib.Path(tempfile.mkdtemp())
PLAIN, THINKER, VIEWER = "org/Plain-1B-4bit", "org/Thinker-2B-4bit", "org/Viewer-3B-4bit"


def write(name, data):
    path = FOLDER / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def png(width, height):
    """Returns a red image."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xc0\x20\x20" * width for _ in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def send_and_read(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open()
        expect(it.page.locator("#welcome")).to_contain_text("Plain-1B-4bit")
        it.send("Good morning")
        assert it.last_answer() == "Hello! I am a scripted model. You said: Good morning", it.last_answer()
        assert it.answers.last.locator("strong").inner_text() == "scripted"
        facts = it.page.locator(".facts")
        expect(facts).to_contain_text("tokens · 31.4 tokens/s")
        expect(facts).not_to_contain_text("from the cache", use_inner_text=True)
        facts.locator("summary").click()
        expect(facts).to_contain_text("from the cache", use_inner_text=True)
        expect(it.page.locator("#context")).to_contain_text(f"/ {CONTEXT:,}")
        assert it.titles() == ["Good morning"] and it.page.title() == "Good morning · mlxk"
        it.send("code")
        code = it.answers.last.locator(".code")
        assert code.locator("code").text_content() == 'def add(a, b):\n    """Returns the sum."""\n    return a + b'
        assert code.locator("figcaption").inner_text().startswith("python")
        assert it.answers.last.locator("td").all_text_contents() == ["a", "1", "b", "2"]
        assert it.answers.last.locator("ol > li > ul > li").inner_text() == "nested"
        assert it.answers.last.locator("blockquote a").get_attribute("href") == "https://example.com"
    messages = peer.asked[-1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"], messages
    assert messages[1]["content"] == f"{HELLO} You said: Good morning"


def copy(running, peers):
    with tab(running, peers().address, permissions=["clipboard-read", "clipboard-write"]) as it:
        it.open().send("code")
        read = "navigator.clipboard.readText()"
        it.page.locator(".code button").click()
        expect(it.page.locator(".code button")).to_have_text("Copied")
        assert it.page.evaluate(read).startswith("def add(a, b):\n")
        it.page.locator(".answer .foot [aria-label='Copy message']").click()
        expect(it.page.locator("#status")).to_have_text("Message copied")
        assert it.page.evaluate(read).startswith("Here is a function:")


def stop_and_continue(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open().send("slow", waits=False)
        expect(it.answers).to_contain_text("word2")
        it.page.click("#stop")
        it.wait_for_end()
        expect(it.page.locator(".facts")).to_contain_text("stopped")
        before = it.last_answer()
        assert before.startswith("word0 word1") and "word150" not in before
        it.page.click("[aria-label='Continue the answer']")
        it.wait_for_end()
        assert it.last_answer() == f"{before} And on it goes."
        last = peer.asked[-1]["messages"][-1]
        assert last["role"] == "assistant" and last["content"].startswith("word0 word1")
        # Escape stops, too.
        it.send("slow", waits=False)
        expect(it.answers.last).to_contain_text("word1")
        it.page.keyboard.press("Escape")
        it.wait_for_end()
        expect(it.page.locator(".facts").last).to_contain_text("stopped")


def edit_and_repeat(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open().send("first")
        it.send("second")
        it.page.locator(".asked").first.hover()
        it.page.locator("[aria-label='Edit message']").first.click()
        field = it.page.locator("[aria-label='Edited message']")
        assert field.input_value() == "first"
        field.press("Escape")
        expect(field).to_have_count(0)
        it.page.locator("[aria-label='Edit message']").first.click()
        it.page.fill("[aria-label='Edited message']", "other")
        it.page.keyboard.press("Enter")
        it.wait_for_end()
        assert it.page.locator(".asked .text").all_text_contents() == ["other"]
        assert [message["content"] for message in peer.asked[-1]["messages"]] == ["other"]
        it.page.click("[aria-label='Answer again']")
        it.wait_for_end()
        versions = it.page.locator(".versions")
        assert [text.replace("\n", " ") for text in versions.all_inner_texts()] == ["Version 2 / 2", "Version 2 / 2"]
        it.page.locator(".asked [aria-label='Previous version']").click()
        # The old branch is complete.
        expect(it.page.locator(".asked .text")).to_have_text(["first", "second"])
        it.page.reload()
        expect(it.page.locator(".asked .text")).to_have_text(["first", "second"])


def failure(running, peers):
    with tab(running, peers().address) as it:
        it.open().send("fail")
        problem = it.page.locator(".problem")
        expect(problem).to_contain_text("The model ran out of memory")
        expect(it.page.locator("#status")).to_contain_text("The answer failed")
        problem.get_by_role("button", name="Try again").click()
        it.wait_for_end()
        expect(it.page.locator(".problem")).to_have_count(1)
        it.send("better")
        assert it.last_answer().endswith("You said: better"), it.last_answer()


def models_and_reasoning(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open()
        expect(it.page.locator("#model-state")).to_have_text("Loads with the first message")
        it.page.select_option("#model", THINKER)
        it.send("think")
        assert peer.asked[-1]["model"] == THINKER and "think" not in peer.asked[-1]
        expect(it.page.locator("#model-state")).to_contain_text("In memory")
        thoughts = it.page.locator("details.reasoning")
        assert not thoughts.evaluate("(it) => it.open") and it.last_answer() == "So I answer."
        expect(thoughts.locator("p").first).to_be_hidden()
        thoughts.locator("summary").click()
        assert thoughts.locator("p").count() == 2
        it.page.click("#settings-open")
        it.page.select_option("#set-thinking", "off")
        it.page.get_by_role("button", name="Done").click()
        it.page.select_option("#model", PLAIN)
        it.send("again")
        assert peer.asked[-1]["model"] == PLAIN and "think" not in peer.asked[-1]
        it.page.select_option("#model", THINKER)
        it.send("and again")
        assert peer.asked[-1]["think"] is False


def settings(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open()
        it.page.keyboard.press("Control+,")
        it.page.fill("#set-system", "Be brief.")
        it.page.fill("#set-temperature", "0.35")
        it.page.fill("#set-top_k", "40")
        it.page.fill("#set-seed", "7")
        # A value out of range keeps the dialog open.
        it.page.fill("#set-top_p", "7")
        it.page.get_by_role("button", name="Done").click()
        expect(it.page.locator("#settings")).to_be_visible()
        it.page.fill("#set-top_p", "")
        it.page.select_option("#set-format", "schema")
        it.page.fill("#set-schema", "{")
        expect(it.page.locator("#schema-problem")).to_contain_text("not JSON")
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        it.page.fill("#set-schema", json.dumps(schema))
        expect(it.page.locator("#schema-problem")).to_be_empty()
        it.page.get_by_role("button", name="Done").click()
        expect(it.page.locator("#format-note")).to_have_text("JSON Schema")
        it.send("person")
        body = peer.asked[-1]
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert (body["temperature"], body["top_k"], body["seed"]) == (0.35, 40, 7) and "top_p" not in body
        assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        assert it.answers.last.locator("code").text_content() == '{"name": "Zoë"}'
        # A new conversation begins with the same settings, also after a reload.
        it.page.click("#new")
        it.page.reload()
        it.ready()
        it.send("another")
        assert peer.asked[-1]["temperature"] == 0.35


def reload(running, peers):
    with tab(running, peers().address) as it:
        it.open().send("remember me")
        it.page.click("#new")
        it.send("second conversation")
        assert it.titles() == ["second conversation", "remember me"]
        it.page.locator(".conversation").first.hover()
        it.page.click("[aria-label='Rename \"second conversation\"']")
        assert it.page.input_value("#name-field") == "second conversation"
        it.page.keyboard.type("the <b>second</b>")
        it.page.keyboard.press("Enter")
        expect(it.page.get_by_role("link", name="the <b>second</b>")).to_be_focused()
        it.page.reload()
        it.ready()
        assert it.titles() == ["the <b>second</b>", "remember me"], it.titles()
        expect(it.page.locator(".asked .text")).to_have_text("second conversation")
        it.page.get_by_role("link", name="remember me").click()
        expect(it.page.locator(".asked .text")).to_have_text("remember me")
        it.page.go_back()
        expect(it.page.locator(".asked .text")).to_have_text("second conversation")
        # What had arrived before a reload is kept.
        it.page.click("#new")
        it.send("slow", waits=False)
        expect(it.answers).to_contain_text("word40", timeout=20_000)
        it.page.reload()
        expect(it.answers).to_contain_text("word9")
        expect(it.page.locator(".facts")).to_contain_text("stopped")
        # A conversation that is deleted while it is answered stays deleted.
        it.page.click("#new")
        it.send("slow", waits=False)
        expect(it.answers).to_contain_text("word3")
        it.page.locator(".conversation").first.hover()
        it.page.locator("[aria-label='Delete \"slow\"']").first.click()
        it.page.get_by_role("button", name="Delete", exact=True).click()
        it.wait_for_end()
        it.page.reload()
        it.ready()
        assert it.titles() == ["slow", "the <b>second</b>", "remember me"], it.titles()
        # An answer goes on while another conversation is shown.
        it.page.click("#new")
        it.send("slow", waits=False)
        expect(it.answers).to_contain_text("word5")
        it.page.get_by_role("link", name="remember me").click()
        expect(it.page.locator("#stop")).to_be_hidden()
        it.page.get_by_role("link", name="slow").first.click()
        expect(it.page.locator("#stop")).to_be_visible()
        it.page.click("#stop")
        it.wait_for_end()
        it.page.fill("#search", "remember")
        assert it.titles() == ["remember me"]
        it.page.locator(".conversation").hover()
        it.page.click("[aria-label='Delete \"remember me\"']")
        it.page.get_by_role("button", name="Delete", exact=True).click()
        expect(it.page.locator("#conversations")).to_contain_text("Nothing found")


def export_and_import(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open()
        it.page.select_option("#model", VIEWER)
        it.page.set_input_files("#attach-file", write("red.png", png(64, 32)))
        it.send("image of mine")
        assert it.last_answer() == "I see 1 of data:image/png with True.", it.last_answer()
        it.send("code")
        with it.page.expect_download() as download:
            it.page.click("#export")
        exported = pathlib.Path(download.value.path()).read_text()
        it.page.locator(".conversation").hover()
        with it.page.expect_download() as download:
            it.page.click("[aria-label='Save \"image of mine\" as Markdown']")
        assert pathlib.Path(download.value.path()).read_text().startswith("# image of mine\n\n**You**\n\nimage of mine")
    file = json.loads(exported)
    assert file["schema"] == "mlxk-conversations/1" and len(file["conversations"][0]["messages"]) == 4
    with tab(running, peer.address) as it:
        it.open()
        for name, text, reason in [
            ("none.json", "{", "is not JSON"), ("other.json", "{}", "has no conversations"),
            ("lacking.json", json.dumps({**file, "conversations": [*file["conversations"], {"id": "x", "messages": [{}]}]}),
             "Conversation 2 of the file is malformed"),
        ]:
            it.page.set_input_files("#import-file", write(name, text))
            expect(it.page.locator("#notice")).to_contain_text(reason)
            assert it.titles() == []
        it.page.set_input_files("#import-file", write("good.json", exported))
        it.page.get_by_role("link", name="image of mine").click()
        expect(it.answers).to_have_count(2)
        image = it.page.locator(".asked img")
        image.evaluate("(it) => it.decode()")
        assert image.evaluate("(it) => [it.naturalWidth, it.naturalHeight]") == [64, 32]
        assert it.page.input_value("#model") == VIEWER
        it.send("and now")
        assert peer.asked[-1]["messages"][0]["content"][0]["type"] == "image_url"


def images(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open()
        expect(it.page.locator("#attach")).to_be_hidden()
        it.page.select_option("#model", VIEWER)
        expect(it.page.locator("#attach")).to_be_visible()
        large = write("large.png", png(3000, 1000))
        it.page.set_input_files("#attach-file", [large, write("text.png", "no image")])
        expect(it.page.locator("#notice")).to_contain_text("cannot be read as an image")
        expect(it.page.locator("#attached li")).to_have_count(1)
        it.page.select_option("#model", PLAIN)
        it.type("image")
        it.page.click("#send")
        expect(it.page.locator("#notice")).to_contain_text("does not take images")
        it.page.select_option("#model", VIEWER)
        it.page.click("#send")
        it.wait_for_end()
    parts = peer.asked[-1]["messages"][-1]["content"]
    data = base64.b64decode(parts[0]["image_url"]["url"].split(",")[1])
    assert max(struct.unpack(">II", data[16:24])) == 1568, "large images are made smaller"


def hostile(running, peers):
    with tab(running, peers().address) as it:
        it.open().send("hostile")
        assert it.page.evaluate("window.hacked") is None
        for tag in ["script", "img", "iframe"]:
            assert it.page.locator(f"#log {tag}").count() == 0, tag
        links = it.page.locator("#log a").evaluate_all("(all) => all.map((it) => [it.href, it.rel])")
        assert links == [[f"https://example.com/{path}", "noopener noreferrer"] for path in ["x.png", ""]], links
        assert "<script>window.hacked = 1</script>" in it.last_answer()
        # A file of conversations is foreign text as well.
        message = {"id": "m", "role": "assistant", "content": "<img src=x onerror=hacked=5>", "model": "<b>x</b>",
                   "created": 1, "error": "<i>y</i>", "parent": "m"}
        file = {"schema": "mlxk-conversations/1",
                "conversations": [{"id": "c", "title": "<u>t</u>", "leaf": "m", "messages": [message]}]}
        it.page.set_input_files("#import-file", write("hostile.json", json.dumps(file)))
        it.page.get_by_role("link", name="<u>t</u>").click()
        expect(it.page.locator(".problem")).to_contain_text("<i>y</i>")
        assert it.page.evaluate("window.hacked") is None and it.page.locator("#log img, #log b, #log i").count() == 0


def key(running, peers):
    peer = peers(key="secret")
    with tab(running, peer.address) as it:
        it.expects_refusals = True
        it.page.goto(peer.address)
        it.page.fill("#key-field", "wrong")
        it.page.keyboard.press("Enter")
        expect(it.page.locator("#key")).to_contain_text("refused")
        it.page.fill("#key-field", "secret")
        it.page.get_by_role("button", name="Continue").click()
        it.ready()
        it.send("hello")
        assert it.page.evaluate("JSON.stringify(localStorage)").find("secret") < 0
        it.page.reload()
        it.ready()
        expect(it.page.locator("#key")).to_be_hidden()


def nothing_is_kept(running, peers):
    peer = peers(key="secret")
    with tab(running, peer.address) as it:
        it.expects_refusals = True
        it.page.add_init_script("""for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) {
            Object.defineProperty(window, name, { get() { throw new DOMException('refused', 'SecurityError'); } });
        }""")
        it.page.goto(peer.address)
        it.page.fill("#key-field", "secret")
        it.page.keyboard.press("Enter")
        expect(it.page.locator("#notice")).to_contain_text("keeps no data")
        it.ready().send("hello")
        it.page.click("#new")
        it.page.get_by_role("link", name="hello").click()
        expect(it.answers).to_contain_text("You said: hello")


def below_a_path(running, peers):
    with tab(running, f"{peers().address}{PREFIX}") as it:
        it.open().send("hello")
        assert "hello" in it.last_answer()
        it.page.get_by_role("link", name="Models").click()
        expect(it.page.locator(".card")).to_have_count(4)


def models_view(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open("#models")
        cards = it.page.locator(".card")
        expect(cards).to_have_count(4)
        thinker = cards.filter(has_text="Thinker")
        for text in ["1.5B parameters", "812 MB", f"{CONTEXT:,} tokens", "reasoning", "On disk"]:
            expect(thinker).to_contain_text(text)
        assert cards.filter(has_text="Embedder").get_by_role("button", name="Chat").count() == 0
        thinker.get_by_role("button", name="Load", exact=True).click()
        expect(thinker).to_contain_text("Loading…")
        expect(thinker).to_contain_text("In memory: 812 MB")
        thinker.get_by_role("button", name="Unload").click()
        expect(thinker).to_contain_text("On disk")
        it.page.fill("[aria-label='Filter models']", "viewer")
        expect(cards).to_have_count(1)
        it.page.fill("[aria-label='Filter models']", "")
        field = it.page.get_by_label("Get a model")
        for name, end in [("org/new", "Complete"), ("org/absent", "The hub has no model `org/absent`")]:
            field.fill(name)
            field.press("Enter")
            expect(it.page.locator(".pulls li").filter(has_text=name)).to_contain_text(end)
        expect(cards).to_have_count(5)
        field.fill("org/slow")
        field.press("Enter")
        expect(it.page.locator(".pulls li").last).to_contain_text("of 50 MB")
        it.page.click("[aria-label='Cancel the download of org/slow']")
        expect(it.page.locator(".pulls li").last).to_contain_text("Cancelled")
        cards.filter(has_text="Thinker").get_by_role("button", name="Chat").click()
        expect(it.page.locator("#model")).to_have_value(THINKER)
        expect(it.page.locator("#text")).to_be_focused()
    with tab(running, peers(may_change=False).address) as it:
        it.open("#models")
        expect(it.page.get_by_label("Get a model")).to_be_disabled()
        expect(it.page.locator("#view-models")).to_contain_text("has no API key")


def benchmark(running, peers):
    with tab(running, peers().address) as it:
        it.open("#benchmark")
        reports = [str(path) for path in sorted(REPORTS.glob("*.json"))]
        it.page.set_input_files("#view-benchmark input", reports)
        expect(it.page.locator(".report")).to_have_count(len(reports))
        file = json.loads(pathlib.Path(reports[-1]).read_text())
        shown = it.page.locator(".report").first
        expect(shown).to_contain_text(file["machine"]["processor"])
        figures = shown.locator("table").first
        assert figures.locator("thead th").all_text_contents() == ["measure"] + [side["title"] for side in file["sides"]]
        median = file["sides"][0]["workloads"][0]["series"]["decode_tokens_per_second"]["median"]
        decode = figures.locator("tbody tr", has_text="chat: decode")
        expect(decode).to_contain_text(f"{median:.0f} tokens/s")
        ours, theirs = (side["title"] for side in file["sides"][:2])
        expect(shown.locator("h3").first).to_have_text(f"{ours} against {theirs}")
        ratios = shown.locator("table").nth(1)
        # A fact has one row, even if the report has it in two figures.
        rows = ratios.locator("tbody td:first-child").all_text_contents()
        assert "chat: first token, warm" in rows and "chat: prefill" not in rows and "chat: total time" not in rows, rows
        # Work that is not equal has no ratios and no winner.
        reason = {"reason": "the weights differ in size", "suggestion": None}
        file["unequal"] = [{"against": side["title"], **reason} for side in file["sides"][1:]]
        it.page.set_input_files("#view-benchmark input", write("unequal.json", json.dumps(file)))
        expect(it.page.locator(".report")).to_have_count(len(reports) + 1)
        shown = it.page.locator(".report").first
        expect(shown).to_contain_text("Not equal work: the weights differ in size")
        expect(shown).to_contain_text("Winner: none, because the work is not equal")
        expect(shown.locator("table")).to_have_count(1)
        it.expects_refusals = True
        it.page.set_input_files("#view-benchmark input", write("x.json", '{"schema": "mlxk-bench-compare/1"}'))
        expect(it.page.locator("#notice")).to_contain_text("damaged")
        it.page.set_input_files("#view-benchmark input", write("y.json", "{}"))
        expect(it.page.locator("#notice")).to_contain_text("not a report")


def keyboard_only(running, peers):
    peer = peers()
    with tab(running, peer.address) as it:
        it.open()
        press = it.page.keyboard.press
        focused = "document.activeElement.id || document.activeElement.textContent.trim()"
        expect(it.page.locator("#text")).to_be_focused()
        it.page.keyboard.type("by keys")
        press("Shift+Enter")
        it.page.keyboard.type("two lines")
        press("Enter")
        it.wait_for_end()
        assert peer.asked[-1]["messages"][0]["content"] == "by keys\ntwo lines"
        press("ArrowUp")
        it.page.keyboard.type("!")
        press("Enter")
        it.wait_for_end()
        assert peer.asked[-1]["messages"][0]["content"] == "by keys\ntwo lines!"
        # The order of the page: first the way past the sidebar, then the sidebar, then the chat.
        it.page.locator(".skip").focus()
        seen = [it.page.evaluate(focused)]
        for _ in range(40):
            press("Tab")
            seen.append(it.page.evaluate(focused))
            visible = it.page.evaluate("""(() => {
                const box = document.activeElement.getBoundingClientRect();
                const style = getComputedStyle(document.activeElement);
                return box.width > 1 && style.visibility === 'visible' && style.opacity !== '0';
            })()""")
            assert visible, f"the focus is on something that cannot be seen: {seen[-1]}"
            if seen[-1] == "send":
                break
        order = ["Skip the sidebar", "Chat", "Models", "Benchmark", "new", "search", "theme", "import", "export",
                 "help", "model", "settings-open", "text", "send"]
        found = [name for name in seen if name in order]
        assert found == order, found
        it.page.locator(".skip").focus()
        press("Enter")
        expect(it.page.locator("#text")).to_be_focused()
        assert "#chat/" in it.page.url
        press("Control+/")
        expect(it.page.locator("#shortcuts")).to_be_visible()
        press("Escape")
        press("Control+k")
        expect(it.page.locator("#search")).to_be_focused()
        press("Control+,")
        expect(it.page.locator("#settings")).to_be_visible()
        press("Escape")
        press("Control+Shift+O")
        expect(it.page.locator("#text")).to_be_focused()
        expect(it.page.locator(".message")).to_have_count(0)
        it.page.keyboard.type("slow")
        press("Enter")
        expect(it.answers).to_contain_text("word1")
        press("Escape")
        it.wait_for_end()
        # An empty message is not sent.
        count = len(peer.asked)
        press("Enter")
        assert len(peer.asked) == count


def phone(running, peers):
    with tab(running, peers().address, PHONE, has_touch=True, is_mobile=True) as it:
        it.open()
        for view in ["#chat", "#models", "#benchmark"]:
            it.page.goto(f"{it.address}/{view}")
            if view == "#benchmark":
                it.page.set_input_files("#view-benchmark input", str(REPORTS / "smollm2-135m.json"))
            it.page.wait_for_timeout(100)
            assert wider(it) == [], f"{view} is wider than the screen: {wider(it)}"
            if view == "#benchmark":
                tables = it.page.locator(".report .table")
                assert tables.count() > 1
                assert tables.evaluate_all("all => all.every((it) => it.scrollWidth <= it.clientWidth)")
                expect(it.page.locator(".report td[data-title=mlxk]").first).to_be_visible()
        it.page.goto(f"{it.address}/#chat")
        it.send("code")
        assert wider(it) == [], wider(it)
        assert not it.page.locator("#new").is_visible()
        it.page.tap("#menu")
        expect(it.page.locator("#new")).to_be_visible()
        assert it.page.evaluate("document.getElementById('page').inert")
        assert it.page.evaluate("document.getElementById('side').contains(document.activeElement)")
        it.page.keyboard.press("Escape")
        expect(it.page.locator("#new")).to_be_hidden()
        expect(it.page.locator("#menu")).to_be_focused()
        it.page.tap("#menu")
        it.page.get_by_role("link", name="Models").tap()
        expect(it.page.locator("#new")).to_be_hidden()
        expect(it.page.locator("#view-models")).to_be_visible()
        # Enter starts a new line where there is no Shift key.
        it.page.goto(f"{it.address}/#chat")
        it.page.tap("#text")
        it.page.keyboard.type("a")
        it.page.keyboard.press("Enter")
        assert it.page.input_value("#text") == "a\n"


def wider(it):
    """Returns the visible elements that reach over the right edge and don't scroll."""
    return it.page.evaluate("""() => {
        const width = document.documentElement.clientWidth;
        const scrolls = (it) => it && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(it).overflowX) || scrolls(it.parentElement));
        return [...document.querySelectorAll('#page *, dialog[open] *')]
          .filter((it) => it.getBoundingClientRect().right > width + 1 && !scrolls(it.parentElement))
          .map((it) => it.outerHTML.slice(0, 80));
    }""")


def screen_reader(running, peers):
    with tab(running, peers().address) as it:
        it.open()
        it.page.evaluate("""() => {
            window.said = [];
            const region = document.getElementById('status');
            new MutationObserver(() => { if (region.textContent) window.said.push(region.textContent); })
              .observe(region, { childList: true, characterData: true, subtree: true });
        }""")
        it.send("long 400")
        it.page.wait_for_timeout(200)
        said = it.page.evaluate("window.said")
        assert len(said) == 2 and said[0] == "The answer is being written", said
        assert said[1].startswith("The answer is complete, "), said
        # The messages themselves are in no live region.
        assert it.page.evaluate("document.getElementById('log').closest('[aria-live], [role=status], [role=log]')") is None
        it.send("short")
        it.page.wait_for_timeout(200)
        assert it.page.evaluate("window.said").pop() == f"Answer: {HELLO} You said: short"
        headings = it.page.get_by_role("heading", level=2).all_text_contents()
        assert headings[1:] == ["You", "Plain-1B-4bit", "You", "Plain-1B-4bit"], headings
        unnamed = it.page.evaluate("""[...document.querySelectorAll('button, input, select, textarea')]
            .filter((it) => !it.ariaLabel && !it.textContent.trim() && !it.labels?.length).map((it) => it.outerHTML)""")
        assert unnamed == [], unnamed


JOURNEYS = [send_and_read, copy, stop_and_continue, edit_and_repeat, failure, models_and_reasoning, settings, reload,
            export_and_import, images, hostile, key, nothing_is_kept, below_a_path, models_view, benchmark, keyboard_only, phone, screen_reader]
