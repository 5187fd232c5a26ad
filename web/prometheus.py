"""What Prometheus may ask of the app."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from web.browser_cameras import BrowserCameras
from web.video_queue import VideoQueue

Status = Callable[[], dict[str, Any]]


class _State(Collector):
    """Collects the app's state when it is asked for."""

    def __init__(self, status: Status, videos: VideoQueue, cameras: BrowserCameras) -> None:
        self._status, self._videos, self._cameras = status, videos, cameras

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        state = self._status()
        for name, meaning, value in (
            ("viewers", "Viewers of the live picture.", state["viewers"]),
            ("frames_per_second", "Frames that the source gives a second.", state["fps"]),
            ("source_up", "1 while the source gives a picture, else 0.", state["problem"] is None),
            ("recording", "1 while a recording runs, else 0.", state["recording"]["status"] == "recording"),
            ("own_cameras", "Pages that send frames of their own cameras.", len(self._cameras)),
            ("videos_waiting", "Uploaded videos that are not analysed yet.", self._videos.waiting()),
        ):
            yield GaugeMetricFamily(f"expressions_{name}", meaning, float(value))
        for name, meaning in (
            ("frames", "Frames of the source that were not annotated, for want of time."),
            ("labels", "Faces that were shown with the label of an earlier frame, for want of time."),
        ):
            total = state["skipped"][f"{name}_total"]
            yield CounterMetricFamily(f"expressions_{name}_skipped", meaning, float(total))


def prometheus_routes(status: Status, videos: VideoQueue, cameras: BrowserCameras) -> Blueprint:
    """A blueprint with /metrics. status: returns the dict of /state."""
    registry = CollectorRegistry()
    registry.register(_State(status, videos, cameras))
    ProcessCollector(registry=registry)
    routes = Blueprint("prometheus", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return routes
