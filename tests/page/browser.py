"""Drives the page as a user does, and notes everything that should not happen."""

import contextlib
import shutil
import sys

from playwright.sync_api import expect, sync_playwright

PHONE, TABLET, DESK = (360, 740), (800, 900), (1280, 800)

# Counts violations of the security policy, also those that a script hides from the console.
WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`);
});
"""


class Tab:
    """A tab with the page. Leaving it fails on errors, violations of the policy, and requests to other hosts."""

    def __init__(self, context, address):
        self.address, self.problems = address, []
        self.page = context.new_page()
        self.page.add_init_script(WATCH)
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self.console)
        self.page.on("request", self.request)
        self.expects_refusals = False

    def console(self, message):
        is_refusal = "Failed to load resource" in message.text
        if message.type in ("error", "warning") and not (is_refusal and self.expects_refusals):
            self.problems.append(f"console: {message.text}")

    def request(self, request):
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.problems.append(f"request to {request.url}")

    def check(self):
        self.problems += self.page.evaluate("window.violations ?? []")
        assert not self.problems, self.problems

    def open(self, view=""):
        self.page.goto(f"{self.address}/{view}")
        return self.ready()

    def ready(self):
        self.page.locator("#model option").first.wait_for(state="attached")
        return self

    def type(self, text):
        self.page.fill("#text", text)

    def send(self, text, *, waits=True):
        self.type(text)
        self.page.click("#send")
        if waits:
            self.wait_for_end()

    def wait_for_end(self):
        expect(self.page.locator("#stop")).to_be_hidden(timeout=60_000)

    @property
    def answers(self):
        return self.page.locator(".answer .text")

    def last_answer(self):
        return self.answers.last.inner_text()

    def titles(self):
        return [title.strip() for title in self.page.locator(".conversation a").all_text_contents()]


@contextlib.contextmanager
def browser():
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        sys.exit("install `chromium` first")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@contextlib.contextmanager
def tab(running, address, size=DESK, **options):
    context = running.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    opened = Tab(context, address)
    yield opened
    opened.check()
    context.close()
