import hashlib
import hmac
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

from trip import Flow


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        raw = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.put((self.headers["x-duffel-signature"], raw))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


class Webhooks(Flow):
    def test_created_pinged_switched_off(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        server.received = Queue()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/"

        webhook = self.client.webhooks.create().events(["ping.triggered"]).url(url).execute()
        self.assertTrue(webhook.active)
        self.assertEqual(webhook.url, url)
        self.assertEqual(webhook.events, ["ping.triggered"])
        self.assertIsNone(self.client.webhooks.ping(webhook.id))
        # The wait ends so that a run does.
        signature, raw = server.received.get(timeout=30)
        seconds, found = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", signature).groups()
        expected = hmac.new(webhook.secret.encode(), seconds.encode() + b"." + raw, hashlib.sha256).hexdigest()
        self.assertEqual(found, expected)
        event = json.loads(raw)
        self.assertEqual(event["type"], "ping.triggered")
        self.assertTrue(event["id"].startswith("wev_"))

        off = self.client.webhooks.update(webhook.id).active(False).execute()
        self.assertFalse(off.active)
        self.assertEqual(off.url, url)
        self.refused(404, "invalid_request_error", "not_found", lambda: self.client.webhooks.ping("end_none"))
