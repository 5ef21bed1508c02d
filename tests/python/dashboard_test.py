"""The head's page in a headless Chromium, over a colony of real processes and over a false head."""

import http.server
import json
import pathlib
import sys
import threading
import unittest

import browser

if not browser.chromium_program():
    print("SKIP: chromium is not installed")
    sys.exit(77)
try:
    import live_pool
except ImportError as error:
    print(f"SKIP: {error}")
    sys.exit(77)

ROOKERY = live_pool.rookery_program()
FILES = live_pool.ROOT / "actors" / "dashboard"
HOSTILE = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'


class FalseHead(http.server.BaseHTTPRequestHandler):
    """Serves the page's files and a status as hostile nodes would make it."""

    orders: list = []

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/" or path.startswith("/dashboard/"):
            file = FILES / ("index.html" if path == "/" else pathlib.Path(path).name)
            kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
            return self.reply(200, kinds[file.suffix], file.read_bytes())
        member = {
            "index": "main", "generation": "7f3a", "shard": 0, "replica": 0, "node": HOSTILE, "state": "gone",
            "in_contact": False, "endpoint": HOSTILE, "host": HOSTILE, "pid": 0, "queue": 0, "served": 1,
            "refused": 0, "restarts": 9, "crash_loop": True, "exit_code": 1, "reason": HOSTILE, "agent": HOSTILE,
            "drained": False, "queue_wait_us": 0,
        }  # fmt: skip
        generation = {
            "index": "main", "generation": "7f3a", "role": "live", "shards": 1, "replicas": 1, "passages": 1,
            "kind": "exact",
        }  # fmt: skip
        answers = {
            "/v1/status": {
                "colony": HOSTILE, "term": 1, "epoch": 1, "generations": [generation], "members": [member],
                "agents": [{"agent": HOSTILE, "host": HOSTILE, "cores": 1, "slots": 1, "connected": True}],
                "operations": [{"id": 1, "action": HOSTILE, "state": "running", "step": 1, "of": 2, "text": HOSTILE}],
            },
            "/v1/history": {"now": 1, "step_ms": 2000, "samples": []},
            "/v1/events": {"newest": 1, "events": [{"seq": 1, "time_ms": 1, "level": HOSTILE, "text": HOSTILE}]},
        }  # fmt: skip
        self.reply(200, "application/json", json.dumps(answers[path]).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers.get("Authorization")
        FalseHead.orders.append((self.path, token, json.loads(body)))
        good = token == "Bearer right"
        words = {"text": "scaling main to 3" if good else "wrong token " + HOSTILE}
        self.reply(202 if good else 401, "application/json", json.dumps(words).encode())


class DashboardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.browser = browser.Browser()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.browser.close()

    def setUp(self) -> None:
        self.browser.errors.clear()
        self.browser.look(1200, 900)

    def test_a_live_colony_and_a_head_that_dies(self) -> None:
        pool = live_pool.LivePool(ROOKERY)
        self.addCleanup(pool.close)
        tab = self.browser
        tab.open(f"http://{pool.record()['http']}/")
        tab.eventually("document.querySelectorAll('.replica.well').length === 4")
        tab.eventually("document.querySelector('#verdict.well') !== null")
        self.assertIn("4 of 4 replicas ready", tab.text("#verdict"))
        self.assertEqual(tab.run("document.querySelectorAll('.shard').length"), 2)
        tab.eventually("document.querySelector('#events').innerText.includes('node-1 is ready')")
        tab.eventually("document.querySelectorAll('#charts path').length >= 5")
        for width in (360, 800):
            tab.look(width, 800)
            wide = tab.run("document.documentElement.scrollWidth")
            self.assertLessEqual(wide, width, "the page itself must not scroll sideways")

        pool.kill(pool.record()["process"]["pid"])
        tab.eventually("!document.querySelector('#stale').hidden")
        self.assertIn("has not answered for", tab.text("#stale"))
        self.assertTrue(tab.run("[...document.querySelectorAll('button.order')].every(b => b.disabled)"))
        self.assertEqual(tab.run("document.querySelectorAll('.replica').length"), 4, "old data stays")
        self.assertEqual(tab.errors, [])

    def test_an_order_reaches_a_live_head(self) -> None:
        pool = live_pool.LivePool(ROOKERY, shards=1, replicas=1)
        self.addCleanup(pool.close)
        token = pool.folder / "home" / "colonies" / "python" / "admin.token"
        if not token.exists():
            self.skipTest("this head takes no orders")
        tab = self.browser
        tab.run("sessionStorage.clear()") if tab.run("location.protocol") == "http:" else None
        tab.open(f"http://{pool.record()['http']}/")
        tab.eventually("document.querySelectorAll('.replica.well').length === 1")
        self.order(2, "not the token")
        tab.eventually("document.querySelector('#ask-outcome').textContent.startsWith('✕')")
        tab.run("document.querySelector('#ask-no').click()")
        self.order(2, token.read_text().strip())
        tab.eventually("document.querySelector('#ask-outcome').textContent.startsWith('✓')")
        tab.run("document.querySelector('#ask-no').click()")
        tab.eventually("document.querySelectorAll('.replica.well').length === 2")
        tab.eventually("document.querySelector('#verdict.well') !== null")
        self.assertEqual(tab.errors, [])

    def order(self, replicas: int, token: str) -> None:
        self.browser.run("document.querySelector('[data-action=scale]').click()")
        self.browser.run(f"document.querySelector('#ask-replicas').value = {replicas}")
        self.browser.run(f"document.querySelector('#ask-token').value = {json.dumps(token)}")
        self.browser.run("document.querySelector('#ask-yes').click()")

    def test_texts_of_nodes_stay_text_and_the_token_is_asked_once(self) -> None:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FalseHead)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab = self.browser
        tab.open(f"http://127.0.0.1:{server.server_address[1]}/")
        tab.eventually("document.querySelector('#events tbody tr') !== null")
        tab.run("document.querySelector('.replica').click()")
        self.assertIn("onerror", tab.text("#details-facts"))
        tab.run("document.querySelector('#details-close').click()")
        self.assertIn("<script>", tab.text("#problems"))
        self.assertEqual(tab.run("document.images.length"), 0)
        self.assertEqual(tab.run("document.querySelectorAll('main script, dialog script').length"), 0)
        self.assertFalse(tab.run("window.broken === 1"))

        self.order(3, "wrong")
        tab.eventually("document.querySelector('#ask-outcome').textContent.startsWith('✕')")
        self.assertFalse(tab.run("document.querySelector('#ask-token-row').hidden"))
        tab.run("document.querySelector('#ask-no').click()")
        self.order(3, "right")
        tab.eventually("document.querySelector('#ask-outcome').textContent === '✓ scaling main to 3'")
        tab.run("document.querySelector('#ask-no').click()")
        self.order(4, "")
        tab.eventually("document.querySelector('#ask-outcome').textContent.startsWith('✓')")
        tab.run("document.querySelector('#ask-no').click()")
        self.assertEqual(
            FalseHead.orders,
            [
                ("/v1/actions/scale", "Bearer wrong", {"index": "main", "replicas": 3}),
                ("/v1/actions/scale", "Bearer right", {"index": "main", "replicas": 3}),
                ("/v1/actions/scale", "Bearer right", {"index": "main", "replicas": 4}),
            ],
        )
        self.assertEqual(tab.run("localStorage.length"), 0)
        self.assertFalse(tab.run("window.broken === 1"))
        self.assertEqual(tab.errors, [])


if __name__ == "__main__":
    unittest.main()
