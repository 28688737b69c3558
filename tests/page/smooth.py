"""Measures how smooth the page stays while a long answer arrives, and afterwards."""

import statistics

from browser import DESK, tab
from playwright.sync_api import expect

TOKENS = 10_000

# Notes the time of each frame, and how many elements of an answer are taken out again.
RECORD = """() => {
    window.frames_ms = [];
    window.removed = 0;
    window.long_ms = [];
    let last = performance.now();
    const tick = (now) => { window.frames_ms.push(now - last); last = now; window.ticking && requestAnimationFrame(tick); };
    window.ticking = true;
    requestAnimationFrame((now) => { last = now; requestAnimationFrame(tick); });
    new PerformanceObserver((list) => window.long_ms.push(...list.getEntries().map((it) => it.duration))).observe({ type: 'longtask' });
    new MutationObserver((all) => { for (const it of all) window.removed += it.removedNodes.length; })
      .observe(document.getElementById('log'), { childList: true, subtree: true });
}"""


def frames(it):
    found = it.page.evaluate("() => { const it = window.frames_ms; window.frames_ms = []; return it; }")
    found.sort()
    at = lambda share: found[min(len(found) - 1, int(share * len(found)))]
    return {"frames": len(found), "median_ms": round(statistics.median(found), 1), "p95_ms": round(at(0.95), 1),
            "p99_ms": round(at(0.99), 1), "worst_ms": round(found[-1], 1)}


def work(session):
    """Returns the seconds of scripts, styles and layout so far."""
    metrics = {it["name"]: it["value"] for it in session.send("Performance.getMetrics")["metrics"]}
    return {name: metrics[f"{name}Duration"] for name in ("Script", "RecalcStyle", "Layout")}


def run(running, peers):
    """Returns the figures. Fails if finished parts of an answer are drawn again, however fast that may be."""
    figures = {}
    with tab(running, peers().address, DESK) as it:
        it.open()
        it.page.evaluate(RECORD)
        it.send(f"long {TOKENS} pause 0.002", waits=False)
        it.page.locator(".answer .text h4").first.wait_for()
        first = it.page.locator(".answer .text h4").first.element_handle()
        it.page.evaluate("window.frames_ms = []")
        session = it.page.context.new_cdp_session(it.page)
        session.send("Performance.enable")
        # The cost of a frame must not grow with what is there already.
        for part in ("beginning", "middle", "end"):
            before, drawn = work(session), it.page.evaluate("window.frames_ms.length")
            it.page.wait_for_timeout(8000)
            spent, count = work(session), it.page.evaluate("window.frames_ms.length") - drawn
            figures[f"ms of work per frame, {part}"] = {
                name: round((spent[name] - before[name]) * 1000 / count, 2) for name in spent}
        expect(it.page.locator("#stop")).to_be_hidden(timeout=300_000)
        figures["while it arrives"] = frames(it)
        assert first.evaluate("(it) => it.isConnected"), "the first heading was drawn again"
        tokens = int(it.page.locator(".facts").inner_text().split()[0].replace(",", ""))
        removed = it.page.evaluate("window.removed")
        assert tokens >= TOKENS and removed < 1.5 * tokens, f"{removed} elements were drawn again for {tokens} tokens"
        # A short answer after the long one.
        it.send("long 300 pause 0.01", waits=False)
        it.wait_for_end()
        figures["in the next answer"] = frames(it)
        it.page.evaluate("document.getElementById('scroll').scrollTop = 0")
        it.page.evaluate("window.frames_ms = []")
        it.page.mouse.move(760, 400)
        for _ in range(60):
            it.page.mouse.wheel(0, 400)
            it.page.wait_for_timeout(16)
        figures["while scrolling"] = frames(it)
        it.page.click("#text")
        it.page.evaluate("window.frames_ms = []")
        it.page.keyboard.type("typing in a long conversation " * 3, delay=15)
        figures["while typing"] = frames(it)
        long = it.page.evaluate("window.long_ms")
        figures["tasks over 50 ms"] = {"count": len(long), "worst_ms": round(max(long, default=0))}
        figures["tokens"], figures["elements"] = tokens, it.page.evaluate("document.querySelectorAll('#log *').length")
    return figures
