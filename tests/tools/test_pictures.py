"""Images in results: what is taken for one, and how many go to a model."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.images import png

from jupyter_ai_personas.context.bounds import ContextLimits
from jupyter_ai_personas.context.rendered import Image
from jupyter_ai_personas.tools.pictures import (
    MAX_DATA,
    images_of,
    with_images,
    without_images,
)

DATA = base64.b64encode(png()).decode()
ONE = {"name": "output 1", "type": "image/png", "data": DATA}


def test_a_result_keeps_its_images_apart() -> None:
    result = with_images({"outputs": []}, [Image("output 1", "image/png", DATA)])
    assert result == {"outputs": [], "images": [ONE]}
    [image] = images_of("notebook.read", result)
    assert (image.name, image.mime_type) == ("notebook.read, output 1", "image/png")
    assert without_images(result) == {"outputs": []}


@pytest.mark.parametrize(
    "images",
    [
        None,
        "x",
        [],
        ["x"],
        [{**ONE, "data": base64.b64encode(b"<svg/>").decode()}],
        [{**ONE, "data": "§"}],
        [{**ONE, "data": 3}],
        [{"name": "a", "data": DATA}],
    ],
)
def test_what_only_looks_like_images_is_an_ordinary_result(images: Any) -> None:
    result = {"images": images}
    assert images_of("x.y", result) == []
    assert without_images(result) == result


def test_the_type_is_told_by_the_bytes() -> None:
    [image] = images_of("x.y", {"images": [{**ONE, "type": "image/gif"}]})
    assert image.mime_type == "image/png"


def test_no_more_are_kept_than_a_message_may_have() -> None:
    most = ContextLimits().images
    images = [Image(str(n), "image/png", DATA) for n in range(most + 3)]
    assert len(with_images({}, images)["images"]) == most
    assert len(images_of("x.y", {"images": [ONE] * (most + 3)})) == most
    large = Image("large", "image/png", DATA + "A" * MAX_DATA)
    assert with_images({}, [large, images[0]])["images"][0]["name"] == "0"
    assert images_of("x.y", {"images": [{**ONE, "data": large.data}]}) == []
