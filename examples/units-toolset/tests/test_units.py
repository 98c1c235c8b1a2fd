import pytest
from units_toolset import convert, units

from jupyter_ai_personas.testing import ToolsetContract


class TestUnits(ToolsetContract):
    toolset = staticmethod(units)
    valid = {"convert": {"value": 3, "unit": "ft", "to": "m"}}


def test_a_length_is_converted():
    result = convert.invoke({"value": 2, "unit": "km", "to": "m"})
    assert result == {"value": 2000, "unit": "m"}


def test_an_unknown_unit_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"no unit 'furlong'. There are: mm, cm"):
        convert.invoke({"value": 1, "unit": "furlong", "to": "m"})
