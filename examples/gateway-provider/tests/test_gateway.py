import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from gateway_provider import GatewayProvider

from jupyter_ai_personas.testing import AnsweringProviderContract

ASKED = []


class Gateway(BaseHTTPRequestHandler):
    """The gateway's protocol, on this machine."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        ASKED.append((self.path, self.headers["Authorization"], body))
        self.send_response(200)
        self.end_headers()
        for part in ({"text": "Hel"}, {"text": "lo."}, {"tokens": [3, 2]}):
            self.wfile.write(json.dumps(part).encode() + b"\n")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", autouse=True)
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    TestGateway.arguments["gateway_url"] = f"http://127.0.0.1:{server.server_port}/"
    yield
    server.shutdown()
    server.server_close()


class TestGateway(AnsweringProviderContract):
    provider = GatewayProvider
    arguments = {"gateway_key": "a-key-for-tests"}

    def test_it_sends_what_the_gateway_takes(self):
        ASKED.clear()
        assert self.make_model().invoke("hi").text == "Hello."
        turns = [{"role": "person", "text": "hi"}]
        assert [
            ("/v1/answer", "Bearer a-key-for-tests", {"model": "small", "turns": turns})
        ] == ASKED
