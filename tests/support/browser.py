"""A real browser: Chromium without a window, driven through its DevTools protocol over a pair of pipes."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from network import wait_until

ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-extensions", "--no-proxy-server",
             "--remote-debugging-pipe"]
# The pipes have to be descriptors 3 and 4.
STARTER = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"


def high_descriptor(fd):
    """The same pipe under a number that is not in the way."""
    copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(fd)
    return copy


class Browser:
    """One tab. `hosts`: names that mean 127.0.0.1."""

    TIMEOUT = 60.0

    def __init__(self, hosts=()):
        self.folder = Path(tempfile.mkdtemp(prefix="browser-"))
        self.messages = []  # of the console, and policy violations
        self._last_id = 0
        self._buffer = b""
        self._events = []
        commands, self._commands = map(high_descriptor, os.pipe())
        self._answers, answers = map(high_descriptor, os.pipe())
        rules = ",".join(f"MAP {host} 127.0.0.1" for host in hosts)
        command = ["chromium", *ARGUMENTS, f"--user-data-dir={self.folder}", *([f"--host-resolver-rules={rules}"] if rules else []), "about:blank"]
        with open(self.folder / "output.log", "wb") as output:
            self._process = subprocess.Popen([sys.executable, "-c", STARTER, str(commands), str(answers), *command], pass_fds=(commands, answers),
                                             stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        os.close(commands)
        os.close(answers)
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, **parameters):
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self.TIMEOUT
        while True:
            answer = self._read(deadline, method)
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _read(self, deadline, what):
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the browser does not answer {what}")
            more = os.read(self._answers, 1 << 20)
            if not more:
                raise RuntimeError("the browser ended: " + (self.folder / "output.log").read_text(encoding="utf-8", errors="replace")[-2000:])
            self._buffer += more
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        if message.get("method") == "Log.entryAdded":
            self.messages.append(message["params"]["entry"]["text"])
        if message.get("method") == "Network.requestWillBeSent":
            self._events.append(message["params"]["request"]["url"])
        return message

    def requests(self):
        """Addresses that were loaded since the last call."""
        events, self._events = self._events, []
        return events

    def evaluate(self, expression):
        """The value of an expression of JavaScript in the page, whatever its policy says."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def open(self, url):
        self.call("Page.navigate", url=url)
        self._wait_for_page(lambda: self.evaluate("location.href") != "about:blank")
        return self

    def _wait_for_page(self, is_another):
        def is_there():
            try:
                return is_another() and self.evaluate("document.readyState") == "complete"
            except RuntimeError:  # between two pages
                return False
        wait_until(is_there, "a page", self.TIMEOUT)

    def click(self, selector):
        """Clicks on what leads to another page, and waits for that one."""
        self.evaluate("window.isOld = true")
        found = self.evaluate(f"(e => e ? (e.click(), true) : false)(document.querySelector({json.dumps(selector)}))")
        if not found:
            raise LookupError(f"{selector} is not on the page {self.evaluate('location.href')}:\n{(self.text() or '')[:2000]}")
        self._wait_for_page(lambda: not self.evaluate("window.isOld === true"))
        return self

    def text(self):
        """What the page shows; None between two pages."""
        try:
            return self.evaluate("document.body.innerText")
        except RuntimeError:
            return None

    def html(self):
        return self.evaluate("document.documentElement.outerHTML")

    def screenshot(self, path, width=1200, height=900):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(image["data"]))
