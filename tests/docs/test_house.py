"""The map of the house is that of the imports, and no imports go in a circle."""

from benchmarks import house


def test_map_is_not_stale():
    for path, text in house.drawn().items():
        assert path.read_text() == text, f"{path.name}: run python benchmarks/house.py"


def test_no_import_goes_in_a_circle():
    assert house.cycle(house.imports(house.modules(), lazy=False)) is None


def test_circles_are_found_and_lazy_imports_make_none(tmp_path):
    package = tmp_path / "slumpmap"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("from slumpmap.two import x\n")
    (package / "two.py").write_text("def f():\n    from . import one\n")
    known = house.modules(package)
    assert house.imports(known)["slumpmap.two"] == {"slumpmap.one"}
    assert house.imports(known, lazy=False)["slumpmap.two"] == set()
    assert house.cycle(house.imports(known, lazy=False)) is None
    circle = house.cycle(house.imports(known))
    assert set(circle) == {"slumpmap.one", "slumpmap.two"}
