"""Checks all views with axe-core: no serious and no critical finding in light, dark, wide or narrow."""

import pathlib

from browser import DESK, PHONE, tab
from journeys import REPORTS, THINKER

# Findings that fail the test. Lesser ones are printed.
GRAVE = ("serious", "critical")


def states(it, size):
    """Shows one state after the other, and yields its name."""
    yield "new conversation"
    it.send("code")
    it.page.select_option("#model", THINKER)
    it.send("think")
    it.page.locator(".reasoning summary").click()
    it.page.locator(".facts summary").last.click()
    it.send("fail")
    yield "conversation"
    it.page.locator(".asked").last.hover()
    it.page.locator("[aria-label='Edit message']").last.click()
    yield "edited message"
    it.page.keyboard.press("Escape")
    it.page.click("#settings-open")
    it.page.select_option("#set-format", "schema")
    it.page.fill("#set-schema", "{")
    yield "settings"
    it.page.keyboard.press("Escape")
    it.page.keyboard.press("Control+/")
    yield "shortcuts"
    it.page.keyboard.press("Escape")
    if size == PHONE:
        it.page.click("#menu")
        yield "drawer"
        it.page.keyboard.press("Escape")
    it.page.goto(f"{it.address}/#models")
    it.page.get_by_label("Get a model").fill("org/absent")
    it.page.keyboard.press("Enter")
    it.page.locator(".pulls .failed").wait_for()
    yield "models"
    it.page.goto(f"{it.address}/#benchmark")
    it.page.set_input_files("#view-benchmark input", str(REPORTS / "smollm2-135m.json"))
    it.page.locator(".report").wait_for()
    yield "benchmark"


def run(running, peers, folder):
    """Runs axe-core from the folder of npm's packages. Returns the number of states that were checked."""
    source = (pathlib.Path(folder) / "node_modules/axe-core/axe.min.js").read_text()
    grave, count = [], 0
    for scheme in ("light", "dark"):
        for size in (DESK, PHONE):
            with tab(running, peers().address, size, color_scheme=scheme, reduced_motion="reduce") as it:
                it.open()
                it.page.evaluate(source)
                for name in states(it, size):
                    it.page.wait_for_timeout(250)
                    count += 1
                    for finding in it.page.evaluate("axe.run()")["violations"]:
                        nodes = [f"{node['target']}: {node['failureSummary']}" for node in finding["nodes"][:3]]
                        text = f"{scheme}, {size[0]} px, {name}: {finding['impact']} {finding['id']} {nodes}"
                        (grave.append if finding["impact"] in GRAVE else print)(text)
    assert not grave, "\n".join(grave)
    return count
