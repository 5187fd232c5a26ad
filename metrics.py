"""What Prometheus may ask of the app."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector


class _State:
    """Collects the app's state when it is asked for."""

    def __init__(self, status, videos, own_cameras):
        self._status, self._videos, self._own_cameras = status, videos, own_cameras

    def collect(self):
        state = self._status()
        for name, meaning, value in (
            ("viewers", "Who watch the picture.", state["viewers"]),
            ("frames_per_second", "Frames annotated a second.", state["fps"]),
            ("source_up", "1 while the source gives a picture, else 0.", state["problem"] is None),
            ("recording", "1 while a recording runs, else 0.", state["recording"]["status"] == "recording"),
            ("own_cameras", "Pages that send frames of their own cameras.", len(self._own_cameras)),
            ("videos_waiting", "Uploaded videos that are not analysed yet.", self._videos.waiting()),
        ):
            yield GaugeMetricFamily(f"expressions_{name}", meaning, float(value))


def metrics_of(status, videos, own_cameras):
    """A blueprint with /metrics. status: gives the dict of /state."""
    registry = CollectorRegistry()
    registry.register(_State(status, videos, own_cameras))
    ProcessCollector(registry=registry)
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def metrics():
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return blueprint
