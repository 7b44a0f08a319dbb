"""What the client asks besides pixels: description, functions, assets, tokens; and errors in Google's shape."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import warnings

import ee
import google.auth.transport.requests
import pytest
from google.oauth2 import service_account


def get(url, body=None, headers=None):
    """(status, JSON) of a plain request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_discovery_points_here(earth):
    status, document = get(f"{earth.url}/$discovery/rest?version=v1")
    assert status == 200
    assert document["rootUrl"] == document["baseUrl"] == document["mtlsRootUrl"] == earth.url + "/"
    assert "v1alpha" not in json.dumps(document)


def test_algorithms(earth):
    status, found = get(f"{earth.url}/v1/projects/p/algorithms")
    assert status == 200
    assert any(entry["name"] == "algorithms/Image.add" for entry in found["algorithms"])


def test_initialize_is_quiet_without_internet(earth):
    from google.auth.credentials import AnonymousCredentials

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=earth.url)
    assert ee.data.is_initialized()


def test_get_asset(earth):
    found = ee.data.getAsset(earth.root + "utm")
    assert found["type"] == "IMAGE"
    assert found["id"] == earth.root + "utm"
    assert found["startTime"] == "2020-06-01T00:00:00.000000Z"
    assert found["properties"] == {"tile": "33"}
    assert found["bands"][0]["grid"]["dimensions"] == {"width": 200, "height": 180}
    assert found["bands"][0]["dataType"] == {"precision": "INT", "range": {"min": 0, "max": 65535}}
    assert ee.data.getAsset("TEST/SERIES")["type"] == "IMAGE_COLLECTION"
    assert ee.data.getAsset("TEST/SERIES/I4")["startTime"].startswith("2023-05-05")
    assert ee.data.getAsset(earth.root + "fields")["type"] == "TABLE"


def test_listings(earth):
    listed = ee.data.listAssets("projects/sample-project/assets")["assets"]
    assert {asset["id"].rsplit("/", 1)[1] for asset in listed} == {"utm", "geo", "south", "mixed", "fields", "points"}
    images = ee.data.listImages(
        {"parent": "TEST/SERIES", "startTime": "2023-02-01T00:00:00Z", "endTime": "2023-04-01T00:00:00Z"}
    )
    assert [image["id"] for image in images["images"]] == ["TEST/SERIES/I1", "TEST/SERIES/I2"]
    first = ee.data.listAssets({"parent": "TEST/SERIES", "pageSize": 3})
    rest = ee.data.listAssets({"parent": "TEST/SERIES", "pageSize": 5, "pageToken": first["nextPageToken"]})
    assert len(first["assets"]) == 3
    assert len(rest["assets"]) == 4
    with pytest.raises(ee.EEException, match="does not understand this part of the filter"):
        ee.data.listAssets({"parent": "TEST/SERIES", "filter": "cloud > 5"})


@pytest.mark.parametrize("path", ["assets/nothing", "assets/nothing:getPixels"])
def test_unknown_assets_are_404(earth, path):
    body = {"fileFormat": "NPY"} if "getPixels" in path else None
    status, found = get(f"{earth.url}/v1/projects/earthengine-public/{path}", body)
    assert status == 404
    assert found["error"]["status"] == "NOT_FOUND"
    assert "nothing" in found["error"]["message"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ee.Image("no/such"), r"Image.load: Image asset 'no/such' not found \(does not exist or caller"),
        (lambda: ee.ImageCollection("no/such"), "ImageCollection asset 'no/such' not found"),
        (lambda: ee.FeatureCollection("no/such"), "asset 'no/such' not found"),
        (lambda: ee.Image("TEST/SERIES"), "is not an Image"),
        (lambda: ee.ImageCollection("projects/sample-project/assets/utm"), "is not an ImageCollection"),
    ],
)
def test_unknown_assets_in_expressions(earth, build, message):
    with pytest.raises(ee.EEException, match=message):
        build().getInfo()


def compute(earth, expression):
    return get(f"{earth.url}/v1/projects/p/value:compute", {"expression": expression})


def test_an_unknown_function_is_named(earth):
    node = {"functionInvocationValue": {"functionName": "Image.conjure", "arguments": {}}}
    status, found = compute(earth, {"result": "0", "values": {"0": node}})
    assert status == 400
    assert found["error"]["status"] == "INVALID_ARGUMENT"
    assert "'Image.conjure'" in found["error"]["message"]


def invocation(name, **arguments):
    return {"result": "0", "values": {"0": {"functionInvocationValue": {"functionName": name, "arguments": arguments}}}}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (None, "Invalid expression"),
        ({"result": "9", "values": {"0": {"constantValue": 1}}}, "Invalid expression"),
        ({"result": "0", "values": {"0": {"valueReference": "7"}}}, "'7' is referenced but not defined"),
        ({"result": "0", "values": {"0": {"argumentReference": "x"}}}, "Unbound argument reference 'x'"),
        ({"result": "0", "values": {"0": {"strange": 1}}}, "unknown kind of value 'strange'"),
        ({"result": "0", "values": {"0": {"valueReference": "0"}}}, "nested too deeply"),
        (invocation("Image.sqrt"), "required argument 'value' is missing"),
        (
            invocation("Number.sqrt", input={"constantValue": 4}, other={"constantValue": 1}),
            "Unrecognized argument 'other'",
        ),
        (invocation("Number.sqrt", input={"constantValue": "four"}), "Expected type: Number"),
    ],
)
def test_broken_expressions(earth, expression, message):
    status, found = compute(earth, expression)
    assert status == 400
    assert message in found["error"]["message"]


def test_broken_requests(earth):
    url = f"{earth.url}/v1/projects/p/value:compute"
    request = urllib.request.Request(url, b"{not json")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    assert "Invalid JSON payload" in json.load(caught.value)["error"]["message"]
    status, found = get(f"{earth.url}/v1/nonsense")
    assert status == 404
    assert found["error"]["code"] == 404


def test_unknown_formats_and_values_without_pixels(earth):
    with pytest.raises(ee.EEException, match="not PNG"):
        ee.data.computePixels({"expression": earth.image(), "fileFormat": "PNG", "grid": earth.utm_grid()})
    with pytest.raises(ee.EEException, match="must evaluate to an Image"):
        ee.data.computePixels({"expression": ee.Number(1), "fileFormat": "NPY", "grid": earth.utm_grid()})


def test_deep_expressions_are_evaluated(earth):
    image = ee.Image(0)
    for _ in range(300):
        image = image.add(1)
    assert earth.band(image)[0, 0] == 300


def key_file(earth):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {
        "type": "service_account",
        "project_id": "local-project",
        "private_key_id": "1",
        "private_key": text,
        "client_email": "robot@local-project.iam.gserviceaccount.com",
        "token_uri": earth.url + "/token",
    }


def test_a_service_account_gets_a_token_and_needs_it(earth):
    credentials = service_account.Credentials.from_service_account_info(
        key_file(earth), scopes=["https://www.googleapis.com/auth/earthengine"]
    )
    assert get(f"{earth.url}/_local/faults", {"token_lifetime": 60})[0] == 200
    try:
        status, found = compute(earth, {"result": "0", "values": {"0": {"constantValue": 1}}})
        assert status == 401
        assert found["error"]["status"] == "UNAUTHENTICATED"
        ee.Initialize(credentials=credentials, project="local-project", url=earth.url)
        assert ee.Number(3).add(4).getInfo() == 7
        credentials.refresh(google.auth.transport.requests.Request())
        headers = {"Authorization": f"Bearer {credentials.token}"}
        assert get(f"{earth.url}/v1/projects/p/algorithms", None, headers)[0] == 200
        assert get(f"{earth.url}/v1/projects/p/algorithms", None, {"Authorization": "Bearer other"})[0] == 401
    finally:
        get(f"{earth.url}/_local/faults", {})
