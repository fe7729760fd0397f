"""Messages of errors are one plain line, whatever the file is called and whatever a library says of it."""

import pickle

from slumpmap.errors import InputError


def test_message():
    error = InputError("a.tif", "raster has no CRS", "assign one")
    assert str(error) == "a.tif: raster has no CRS. Assign one."


def test_a_message_is_one_line_that_a_terminal_does_not_obey():
    error = InputError("a\nb\x1b[31m.tif", "cannot be read (line 1:\r\n   bad\x00 \u202e\ud800)", "correct\nit")
    assert str(error) == r"a b\x1b[31m.tif: cannot be read (line 1: bad\x00 \u202e\ud800). Correct it."
    assert (error.source, error.remedy) == ("a\nb\x1b[31m.tif", "correct\nit")


def test_a_long_fault_is_cut_in_the_middle():
    text = str(InputError("a.tif", "begin " + "x" * 5000 + " end", "correct it"))
    assert len(text) < 500
    assert text.startswith("a.tif: begin x") and text.endswith("x end. Correct it.")


def test_an_error_crosses_a_process_pool():
    error = InputError("a\n.tif", "is bad", "correct it")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
