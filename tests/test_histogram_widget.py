"""The histogram: a threshold that keys and the mouse move, on any scale."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_ui.widgets.histogram import Histogram, bar_heights, column_of, number, value_at
from tests.driving import Bare, drive, screen_lines


class Hearing(Bare):
    def on_histogram_moved(self, message: Histogram.Moved) -> None:
        self.heard.append(message.threshold)


def histogram_of(script, size=(61, 12)) -> None:
    histogram = Histogram()
    app = Hearing(histogram)

    async def run(pilot):
        edges = np.linspace(0, 1, 61)
        histogram.show(edges, np.arange(60), 0.5, drops_above=True)
        await pilot.pause()
        await script(pilot, histogram)

    drive(app, run, size)


def test_keys_move_by_one_column_and_by_ten():
    async def script(pilot, histogram):
        start = histogram.column_of(histogram.threshold)
        for keys, moved in [("l", 1), ("right", 1), ("h", -1), ("left", -1), ("L", 10), ("shift+right", 10), ("H", -10), ("shift+left", -10)]:
            before = histogram.column_of(histogram.threshold)
            await pilot.press(keys)
            assert histogram.column_of(histogram.threshold) - before == moved, keys
        assert histogram.column_of(histogram.threshold) == start and len(pilot.app.heard) == 8
        for _ in range(12):
            await pilot.press("L")
        assert histogram.threshold == 1.0

    histogram_of(script)


def test_the_mouse_drags_the_threshold_also_beyond_the_edge():
    async def script(pilot, histogram):
        await pilot.mouse_down(Histogram, offset=(50, 2))
        assert histogram.column_of(histogram.threshold) == 50
        await pilot.hover(Histogram, offset=(10, 3))
        assert histogram.column_of(histogram.threshold) == 10
        await pilot.mouse_up(Histogram, offset=(10, 3))
        await pilot.hover(Histogram, offset=(30, 3))
        assert histogram.column_of(histogram.threshold) == 10
        assert len(pilot.app.heard) >= 2 and pilot.app.heard[-1] == histogram.threshold

    histogram_of(script)


def test_sides_are_told_apart_and_the_threshold_is_written_below():
    async def script(pilot, histogram):
        colours = {segment.style.color for segment in histogram.render_line(6) if segment.text.strip()}
        assert len(colours) == 3
        assert "0.5" in screen_lines(pilot.app)[7] and screen_lines(pilot.app)[7].startswith("0")
        histogram.show(np.linspace(0, 1, 61), np.zeros(60), 0.5, drops_above=False, overlay=np.zeros(60))
        assert set(histogram.render_line(0).text) == {" ", "│"}

    histogram_of(script)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=40, unique=True).map(sorted), st.integers(2, 120), st.data())
def test_a_column_is_where_its_value_is(edges, columns, data):
    column = data.draw(st.integers(0, columns - 1))
    value = value_at(np.array(edges), column, columns)
    found = column_of(np.array(edges), value, columns)
    assert found == column or np.isclose(value_at(np.array(edges), found, columns), value)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=300), st.integers(2, 120))
def test_what_is_not_empty_is_seen_and_nothing_is_higher_than_the_widget(counts, columns):
    counts = np.array(counts, float)
    heights = bar_heights(counts, counts.max(), columns, 4)
    shown = np.minimum(np.arange(columns) * len(counts) // columns, len(counts) - 1)
    assert ((heights > 0) == (counts[shown] > 0)).all() and heights.max() <= 32


def test_numbers_are_short_and_say_enough():
    assert [number(value) for value in (0.0, 0.4471, 12345.6, 3.0, 1e-5, -0.25)] == ["0", "0.447", "12,346", "3", "1e-05", "-0.25"]
