"""The calls of matrix.mjs, made by qlik-sdk: python matrix.py ws://HOST:PORT FILE"""

import json
import socket
import sys
from threading import Event

from qlik_sdk.interceptors.types import InterceptorHandler
from qlik_sdk.rpc import RpcSession

from checks import states, texts

PAGE = {"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 20}
REGION = {"qFieldDefs": ["Region"], "qSortCriterias": [{"qSortByAscii": 1}]}
CUBE = {
    "qInfo": {"qId": "cube", "qType": "table"},
    "qHyperCubeDef": {
        "qDimensions": [{"qDef": REGION}],
        "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
        "qInitialDataFetch": [PAGE],
    },
}
LIST = {
    "qInfo": {"qId": "list", "qType": "list"},
    "qListObjectDef": {"qDef": REGION, "qInitialDataFetch": [{**PAGE, "qWidth": 1}]},
}


def handle(answer):
    return answer["qReturn"]["qHandle"]


def work(session):
    send, values = session.send, {}
    app = handle(send("OpenDoc", -1, "Sales.qvf"))
    values["version"] = send("EngineVersion", -1)["qVersion"]["qComponentVersion"]
    values["apps"] = [entry["qDocId"] for entry in send("GetDocList", -1)["qDocList"]]
    values["title"] = send("GetAppLayout", app)["qLayout"]["qTitle"]
    cube = handle(send("CreateSessionObject", app, qProp=CUBE))
    listed = handle(send("CreateSessionObject", app, LIST))

    def look(name):
        table, layout = (send("GetLayout", object)["qLayout"] for object in (cube, listed))
        values[name] = {"rows": texts(table["qHyperCube"]["qDataPages"]), "states": states(layout)}

    def changes(act):
        heard = [Event(), Event()]
        for object, event in zip((cube, listed), heard):
            session.on_handle(object, "changed", event.set)
        result = act()
        assert all(event.wait(10) for event in heard)
        return result

    look("all")
    select = lambda: send("SelectListObjectValues", listed, "/qListObjectDef", [1], False)["qSuccess"]
    values["selected"] = changes(select)
    look("one")
    values["sum"] = send("Evaluate", app, "Sum(Sales)")["qReturn"]
    changes(lambda: send("ClearAll", app, qLockedAlso=False))
    look("all again")
    values["properties"] = send("GetProperties", cube)["qProp"]["qHyperCubeDef"]["qMeasures"][0]["qDef"]["qDef"]
    values["variable"] = send("GetVariableByName", app, qName="vFactor")["qReturn"]["qGenericId"]
    try:
        send("Evaluate", app, "Error(7009)")
    except Exception as error:
        values["error"] = str(error)
    values["destroyed"] = send("DestroySessionObject", app, "cube")["qSuccess"]
    return values


if __name__ == "__main__":
    base, file = sys.argv[1:]
    # Nothing is waited for longer, or something hangs.
    socket.setdefaulttimeout(20)
    interceptors = {"request": InterceptorHandler(), "response": InterceptorHandler()}
    session = RpcSession(f"{base}/app/Sales.qvf/identity/matrix/ttl/0", [], interceptors)
    session.open()
    try:
        with open(file, "w", encoding="utf-8") as out:
            json.dump(work(session), out)
    finally:
        session.close()
