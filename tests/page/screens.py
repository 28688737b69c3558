"""Takes pictures of all views, for people who look at them."""

from browser import DESK, PHONE, TABLET, tab
from journeys import REPORTS, THINKER


def run(running, peers, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for size in (PHONE, TABLET, DESK):
            touch = size == PHONE
            with tab(running, peers().address, size, color_scheme=scheme, has_touch=touch, is_mobile=touch) as it:
                def take(name, it=it, scheme=scheme, size=size):
                    it.page.wait_for_timeout(300)
                    it.page.screenshot(path=folder / f"{scheme}-{size[0]}-{name}.png")

                it.open()
                take("welcome")
                it.send("Write a function that adds two numbers, please, and show me a table.")
                it.send("code")
                it.page.select_option("#model", THINKER)
                it.send("think")
                take("chat")
                it.page.evaluate("document.getElementById('scroll').scrollTop = 0")
                take("top")
                it.send("fail")
                take("failure")
                it.page.click("#settings-open")
                take("settings")
                it.page.keyboard.press("Escape")
                it.page.keyboard.press("Control+/")
                take("shortcuts")
                it.page.keyboard.press("Escape")
                it.page.goto(f"{it.address}/#models")
                it.page.get_by_label("Get a model").fill("org/slow")
                it.page.keyboard.press("Enter")
                it.page.wait_for_timeout(500)
                take("models")
                it.page.goto(f"{it.address}/#benchmark")
                it.page.set_input_files("#view-benchmark input", str(REPORTS / "smollm2-135m.json"))
                take("benchmark")
                it.page.evaluate("document.getElementById('view-benchmark').scrollTop = 700")
                take("bars")
                if size != DESK:
                    it.page.goto(f"{it.address}/#chat")
                    it.page.click("#menu")
                    take("drawer")
