"""pyqlikengine against a QIX endpoint: python pyqlikengine_checks.py ws://HOST:PORT [--json FILE] [--only=PART]

It works in lock step: it reads one greeting, and then takes the next frame as the answer to what it sent, whatever its id.
All its requests have the id 0.
"""

import json

from pyqlikengine.engine_app_api import EngineAppApi
from pyqlikengine.engine_communicator import EngineCommunicator
from pyqlikengine.engine_field_api import EngineFieldApi
from pyqlikengine.engine_generic_object_api import EngineGenericObjectApi
from pyqlikengine.engine_global_api import EngineGlobalApi
from pyqlikengine.structs import Structs

from checks import main, states, texts


class Client:
    """One connection with the package's own classes around it."""

    def __init__(self, base, name):
        self.connection = EngineCommunicator(f"{base}/app/Sales.qvf/identity/lock-step-{name}/ttl/0")
        self.globals = EngineGlobalApi(self.connection)
        self.app = EngineAppApi(self.connection)
        self.objects = EngineGenericObjectApi(self.connection)
        self.fields = EngineFieldApi(self.connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close_qvengine_connection(self.connection)

    def open(self):
        return self.globals.get_handle(self.globals.open_doc("Sales.qvf")["qReturn"])

    def field(self, app, name):
        return self.globals.get_handle(self.app.get_field(app, name)["qReturn"])


def one_greeting(client):
    return json.loads(client.connection.session)["method"]


def list_of_apps(client):
    return [entry["qDocId"] for entry in client.globals.get_doc_list()]


def open_an_app(client):
    app = client.open()
    return [client.globals.get_active_doc()["qReturn"]["qGenericId"], client.app.get_app_layout(app)]


def an_app_that_is_not_there(client):
    return client.globals.open_doc("Missing.qvf")


def named_parameters(client):
    app = client.open()
    return [client.app.expr_eval(app, expression) for expression in ("Sum(Sales)", "1+1", "Count(distinct Region)")]


def an_empty_object_as_parameters(client):
    return client.app.check_script(client.open())


def hypercube(client):
    app = client.open()
    dimension = Structs.nx_hypercube_dimensions(Structs.nx_inline_dimension_def(["Region"]))
    measure = Structs.nx_hypercube_measure(Structs.nx_sort_by(), Structs.nx_inline_measure_def("Sum(Sales)"))
    page = Structs.nx_page(0, 0, height=10, width=2)
    definition = Structs.hypercube_def("$", [dimension], [measure], [page])
    answer = client.app.create_object(app, "LOCK01", "Chart", "qHyperCubeDef", definition)
    handle = client.globals.get_handle(answer["qReturn"])
    total = client.objects.get_layout(handle)["qLayout"]["qHyperCube"]["qGrandTotalRow"]
    pages = client.objects.get_hypercube_data(handle, "/qHyperCubeDef", [page])["qDataPages"]
    return {"total": total, "rows": texts(pages)}


def selections(client):
    app = client.open()
    region = client.field(app, "Region")
    page = Structs.nx_page(0, 0, height=client.fields.get_cardinal(region)["qReturn"], width=1)
    definition = Structs.list_object_def("$", "", ["Region"], None, None, [page])
    parameters = {"qInfo": {"qId": "SLB01", "qType": "ListObject"}, "qListObjectDef": definition}
    answer = client.app.create_session_object(app, parameters)
    handle = client.globals.get_handle(answer["qReturn"])
    seen = []
    for values in (["North"], ["South", "East"], []):
        if values:
            client.fields.select_values(region, [{"qText": value} for value in values])
        else:
            client.fields.clear(region)
        layout = client.objects.get_layout(handle)["qLayout"]
        seen.append([states(layout), client.app.expr_eval(app, "Sum(Sales)")])
    return seen


def the_same_call_many_times(client):
    app = client.open()
    answers = [client.app.expr_eval(app, f"{number}*2")["qValue"]["qNumber"] for number in range(200)]
    assert answers == [number * 2 for number in range(200)]
    return len(answers)


if __name__ == "__main__":
    main(
        [
            one_greeting,
            list_of_apps,
            open_an_app,
            an_app_that_is_not_there,
            named_parameters,
            an_empty_object_as_parameters,
            hypercube,
            selections,
            the_same_call_many_times,
        ],
        Client,
    )
