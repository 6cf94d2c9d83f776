"""Draws the requests per second of each arm on SQLite as an SVG file: one group of bars for each workload.

It needs no library, because it is rectangles and texts only.
"""

from collections.abc import Iterator, Mapping
from html import escape

# In pixels.
WIDTH, NAMES, NUMBERS, BAR, GAP, GROUP = 720, 170, 60, 14, 3, 26
STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #24292f }
.workload { font-weight: 600 }
rect { fill: #8c959f }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #4493f8 } }"""

# Requests per second by workload and arm.
Speeds = Mapping[str, Mapping[str, float]]


def draw(speeds: Speeds, ours: str, caption: str) -> str:
    """Return the chart. The bars of the arm ``ours`` have a color of their own."""
    content = list(_groups(speeds, ours))
    height = len(speeds) * GROUP + sum(map(len, speeds.values())) * (BAR + GAP)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="caption">',
            f'<title id="caption">{escape(caption)}</title>',
            f"<style>{STYLE}</style>",
            *content,
            "</svg>\n",
        ]
    )


def _groups(speeds: Speeds, ours: str) -> Iterator[str]:
    most = max(speed for arms in speeds.values() for speed in arms.values())
    scale = (WIDTH - NAMES - NUMBERS) / most
    top = 0
    for workload, arms in speeds.items():
        yield f'<text class="workload" x="0" y="{top + GROUP - 8}">{escape(workload)}</text>'
        top += GROUP
        for arm, speed in arms.items():
            middle, end = top + BAR - 3, NAMES + speed * scale
            kind = ' class="ours"' if arm == ours else ""
            yield f'<text x="{NAMES - 8}" y="{middle}" text-anchor="end">{escape(arm)}</text>'
            yield f'<rect{kind} x="{NAMES}" y="{top}" width="{end - NAMES:.0f}" height="{BAR}"/>'
            yield f'<text x="{end + 6:.0f}" y="{middle}">{speed:,.0f}</text>'
            top += BAR + GAP
