"""All figures are legible and exist as PNG and as SVG, those of the documentation among them."""

import re
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

from experiments.__main__ import main
from experiments.lib.figures import drawing, write

_DOCS = Path(__file__).parents[2] / "docs"

_WITHOUT_CURVES = "trust_region_networks"
"""Its committed results are older than the file of the curves that its figures are drawn from."""


def _sine(folder):
    with drawing(folder / "sine", "A title " * 20, columns=2, height=3) as (figure, axes):
        axes[0, 0].plot([0, 1.23456789], [0, 1], label="a")
    return figure


def test_figure_is_written_as_the_same_bytes_each_time(tmp_path, figures):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        _sine(tmp_path / name)
    assert figures(tmp_path / "first") == figures(tmp_path / "second")
    svg = (tmp_path / "first" / "sine.svg").read_text(encoding="utf-8")
    assert "<dc:date>" not in svg
    assert "<text" not in svg
    paths = re.findall(r'(?<= d=")[^"]+', svg)
    assert paths
    assert not any(re.search(r"\.\d{3}", path) for path in paths)


def test_figure_is_as_wide_as_the_page_and_closed(tmp_path):
    figure = _sine(tmp_path)
    assert plt.imread(tmp_path / "sine.png").shape[:2] == (300, 800)
    assert not plt.fignum_exists(figure.number)


def test_text_that_is_too_small_on_the_page_is_refused_before_a_file_is_written(tmp_path):
    for width, refused in ((9.0, False), (10.0, True)):
        figure = plt.figure(figsize=(width, 3))
        figure.text(0.5, 0.5, "tiny", fontsize=7)
        figure.text(0.5, 0.2, "invisible", fontsize=1, visible=False)
        if refused:
            with pytest.raises(ValueError, match=r"at least 8 pixels .* got 7\.8 of 'tiny'"):
                write(figure, tmp_path / f"{width:g}")
        else:
            write(figure, tmp_path / f"{width:g}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["9.png", "9.svg"]
    plt.close("all")


def test_figure_is_not_written_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), drawing(tmp_path / "none", height=3):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
    assert plt.get_fignums() == []


def test_every_figure_of_the_results_is_there_in_both_forms():
    found = sorted((_DOCS / "results").rglob("*.png"))
    assert len(found) > 20
    missing = {path.parent.name for path in found if not path.with_suffix(".svg").exists()}
    assert missing <= {_WITHOUT_CURVES}
    assert all(path.with_suffix(".png").exists() for path in (_DOCS / "results").rglob("*.svg"))


@pytest.mark.parametrize("page", sorted(_DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_page_shows_figures_that_exist_and_svg_where_there_is_one(page):
    text = page.read_text(encoding="utf-8")
    for figure in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text) + re.findall(r"\{(?:image|figure)\} (\S+)", text):
        path = page.parent / figure
        assert path.exists(), figure
        assert path.suffix == ".svg" or not path.with_suffix(".svg").exists(), figure


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["redraw"], "there is no experiment ''"),
        (["redraw", "no-such"], "there is no experiment 'no-such'"),
        (["redraw", "norm_ellipsoids"], "norm_ellipsoids cannot redraw: run it"),
        (["redraw", "character_gpt", "one", "two"], "a name and a folder, got one two after character_gpt"),
        (["redraw", "character_gpt", "no-such-folder"], "has not written no-such-folder"),
    ],
)
def test_figures_that_cannot_be_redrawn_are_an_error_that_says_why(arguments, message):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert message in str(error.value)
