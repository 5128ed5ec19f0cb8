import json, os, re, subprocess

import pytest
from websockets.sync.client import connect


@pytest.fixture(scope="module")
def replay():
    program, recording = os.environ.get("QIX_PROXY", "qix-proxy"), os.environ["RECORDING"]
    command = [program, "replay", "--listen", "127.0.0.1:0", recording]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield re.search(r"ws://[\d.:]+", process.stdout.readline())[0]
    process.terminate()  # asks it to stop
    assert process.wait(10) == 0, "everything that was asked for was recorded"


def test_app_is_called_sales(replay):
    with connect(f"{replay}/app/Sales.qvf") as socket:
        ids = iter(range(1, 100))

        def call(handle, method, *params):
            request = {"jsonrpc": "2.0", "id": next(ids), "handle": handle, "method": method, "params": params}
            socket.send(json.dumps(request))
            while (answer := json.loads(socket.recv(10))).get("id") != request["id"]:
                pass  # a notification
            return answer["result"]

        app = call(-1, "OpenDoc", "Sales.qvf")["qReturn"]["qHandle"]
        assert call(app, "GetAppLayout")["qLayout"]["qTitle"] == "Sales"
