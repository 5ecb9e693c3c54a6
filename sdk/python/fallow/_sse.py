"""Server-sent events, as far as the API uses them: bytes in, events out, no I/O."""
from dataclasses import dataclass
from typing import Iterator, List, Optional

_EVENT_BYTES_MAX = 4 << 20


@dataclass(frozen=True)
class Event:
    name: str
    data: str
    id: Optional[str]


class EventParser:
    """`last_id`: of the event that was given out last, or that came since without one."""

    def __init__(self) -> None:
        self.last_id: Optional[str] = None
        self._rest = b""
        self._lines: List[str] = []

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete. ValueError when one grows without end."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _EVENT_BYTES_MAX:
            raise ValueError("an event of the server is too large")
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip("\r")
            if line:
                self._lines.append(line)
            elif self._lines:
                event = self._event()
                self._lines = []
                if event is not None:
                    yield event

    def _event(self) -> Optional[Event]:
        name, data, event_id = "message", [], None
        for line in self._lines:
            key, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if key == "data":
                data.append(value)
            elif key == "event":
                name = value
            elif key == "id":
                event_id = value
        if event_id:
            self.last_id = event_id
        if not data and name == "message":
            return None
        return Event(name, "\n".join(data), event_id)
