"""qlik-sdk against a QIX endpoint: python qlik_sdk_checks.py ws://HOST:PORT [--json FILE] [--only=PART]

Its ids start at 0, `id` is the first member and `jsonrpc` the last, and parameters come by position and by name.
"""

from threading import Event

from qlik_sdk.interceptors.types import InterceptorHandler
from qlik_sdk.rpc import RpcSession

from checks import main, states, texts


class Client:
    """One connection."""

    def __init__(self, base, name):
        interceptors = {"request": InterceptorHandler(), "response": InterceptorHandler()}
        url = f"{base}/app/Sales.qvf/identity/from-zero-{name}/ttl/0"
        headers = ["Authorization: Bearer no-secret", "User-Agent: qlik-sdk-python/0.17.0"]
        self.session = RpcSession(url, headers, interceptors)
        self.sent = []
        self.greeting = Event()
        self.session.on("traffic:sent", lambda request: self.sent.append(request.id))
        self.session.on("notification", lambda _: self.greeting.set())
        self.session.open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.session.close()

    def send(self, method, handle, *args, **kwargs):
        return self.session.send(method, handle, *args, **kwargs)

    def open(self):
        return self.send("OpenDoc", -1, "Sales.qvf")["qReturn"]["qHandle"]


def greeting(client):
    return client.greeting.wait(10)


def ids_from_zero(client):
    versions = [client.send("EngineVersion", -1)["qVersion"] for _ in range(3)]
    assert client.sent == [0, 1, 2], client.sent
    return versions


def by_position_and_by_name(client):
    app = client.open()
    return [
        client.send("Evaluate", app, "Sum(Sales)"),
        client.send("Evaluate", app, qExpression="Sum(Sales)"),
        client.send("GetObject", app, qId="LB01")["qReturn"]["qGenericType"],
    ]


def a_call_that_fails(client):
    try:
        client.send("OpenDoc", -1, qDocName="Missing.qvf")
    except Exception as error:
        return str(error)
    raise AssertionError("the app should not be there")


def hypercube(client):
    app = client.open()
    page = {"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 10}
    properties = {
        "qInfo": {"qId": "cube", "qType": "table"},
        "qHyperCubeDef": {
            "qDimensions": [{"qDef": {"qFieldDefs": ["Region"]}}],
            "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
            "qInitialDataFetch": [page],
        },
    }
    handle = client.send("CreateSessionObject", app, qProp=properties)["qReturn"]["qHandle"]
    layout = client.send("GetLayout", handle)["qLayout"]["qHyperCube"]
    pages = client.send("GetHyperCubeData", handle, qPath="/qHyperCubeDef", qPages=[page])["qDataPages"]
    return {"total": layout["qGrandTotalRow"], "rows": texts(layout["qDataPages"]), "again": texts(pages)}


def changes_are_told(client):
    app = client.open()
    handle = client.send("GetObject", app, "LB01")["qReturn"]["qHandle"]
    seen = [states(client.send("GetLayout", handle)["qLayout"])]
    changed = Event()
    client.session.on_handle(handle, "changed", changed.set)
    client.send("SelectListObjectValues", handle, "/qListObjectDef", [1], False)
    assert changed.wait(10)
    seen.append(states(client.send("GetLayout", handle)["qLayout"]))
    assert seen[0] != seen[1]
    return seen


def many_calls(client):
    # One after the other: two threads of this client may send the same id, and one of them waits for ever then.
    app = client.open()
    answers = [client.send("Evaluate", app, f"{number}*2")["qReturn"] for number in range(200)]
    assert answers == [str(number * 2) for number in range(200)]
    return len(answers)


if __name__ == "__main__":
    main(
        [
            greeting,
            ids_from_zero,
            by_position_and_by_name,
            a_call_that_fails,
            hypercube,
            changes_are_told,
            many_calls,
        ],
        Client,
    )
