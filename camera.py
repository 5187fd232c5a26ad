"""One source, watched once, for any number of viewers: each frame is annotated, drawn and encoded once."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from model import FacialExpressionModel
from vision.annotate import LiveAnnotator, find_in_grey
from vision.candidates import CandidateSearch, candidates_in_planes
from vision.confidence import SURE
from vision.draw import draw_on_planes, message_card
from vision.faces import Face
from vision.hidden_frames import HiddenFrames
from vision.hide import hide
from vision.judge import Found
from vision.patches import Place, halvings
from vision.planes import Planes, brightness, from_bgr, mirrored, size_of, to_jpeg
from vision.search import FrameSearch
from vision.skipped import Skipped
from vision.source import Source, SourceError, is_picture, is_played, parse_source, read_frames, source_name

# What `python main.py` watches: a webcam's index (0 is the first), "clip.mp4", "photo.jpg", "http://…", "rtsp://…"
# or "demo".
SOURCE: Source = 0

REPEAT_AFTER = 0.4  # seconds: a picture that stands still is given again this often, as browsers need to show it
CARD_AFTER = 1.0  # seconds without a frame until the picture says so, for a source that sends at least one a second
CARD_AFTER_FIRST = 15.0  # seconds without a second frame until the picture says so: nobody knows yet how slow it is
CARD_AFTER_GAPS = 2.5  # times the longest of the recent pauses: a slower source may take so long
RECENT_GAPS = 5
RELEASE_AFTER = 5.0  # seconds after the last viewer until the source is let go
OPEN_LONGEST = 10.0  # seconds for which whoever asks for a single picture waits until the source is open
RETRY_FIRST, RETRY_LONGEST = 0.25, 1.0  # seconds until a lost source is opened again, doubling
SEARCH_EVERY = 0.1  # seconds from one search of a whole frame to the next, at least
SEARCH_SHARE = 0.4  # of one processor core that these searches may take
SEARCH_AT_ONCE = 0.22  # seconds since the frame before: such a slow source leaves time to search each at once
FOLLOW_EVERY = 0.1  # seconds from frame to frame, while faces are hidden and the latest still waits for its search
MIRRORED_UP_TO = 0.0004  # seconds that a face may take, so that ten faces and their mirror images take 8 ms
RATE_OVER = 2.0  # seconds over which the frame rate is taken
FAULT_PAUSE, FAULT_TOLD = 0.1, 10.0  # seconds until work goes on after an unforeseen error, and that it is told
LATE = "No picture has come for some time."
PREPARING = "The network is being prepared for this machine. This happens once; labels appear in a few seconds."
BLANK = from_bgr(np.zeros((360, 640, 3), np.uint8))

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Shot:
    """An annotated frame as viewers get it."""

    number: int  # counts up by one from 1
    timestamp: float  # time.time() when the frame left the source
    jpeg: bytes
    plain: bytes | None  # the same with nothing drawn on it, while anybody wants that
    size: tuple[int, int]  # width and height in pixels
    planes: Planes  # with nothing drawn on it, as it was before it became a JPEG; not to be changed
    faces: Sequence[Face] = ()
    is_card: bool = False  # whether it is a message in place of a frame
    is_early: bool = False  # whether it is shown before faces are looked for in it


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame as it left the source."""

    timestamp: float  # time.time()
    planes: Planes
    gap: float  # seconds since the one before


@dataclass(frozen=True, eq=False)
class _Picture:
    """A frame that is to be drawn on and shown, or a message in place of one."""

    timestamp: float  # time.time() when the frame left its source
    planes: Planes  # not drawn on
    source: Source
    release: int  # the value of _releases when it was taken
    faces: Sequence[Face] = ()
    is_card: bool = False
    is_early: bool = False
    is_hidden: bool = False  # whether all faces in it are hidden


@dataclass(frozen=True, eq=False)
class _Search:
    """A frame whose whole is to be searched, and at last what was found."""

    sizes: list[np.ndarray]  # its halvings in grey
    moment: float  # time.monotonic() when it was annotated
    known: Sequence[Place] = ()  # where faces were known to be
    found: Sequence[Found] = ()
    to_hide: tuple[Hashable, _Picture] | None = None  # where faces are hidden, its view and itself, to be shown


@dataclass(frozen=True, eq=False)
class _Followed:
    """A frame whose faces are to be classified."""

    picture: _Picture  # with faces that have no labels
    search: _Search  # of this frame
    annotator: LiveAnnotator
    view: Hashable = None  # what it shows, and how, where faces are hidden


def is_mirrored(model: FacialExpressionModel) -> bool:
    """Whether there is time to average each face of a live picture with its mirror image."""
    return model.seconds_a_face <= MIRRORED_UP_TO


class VideoCamera:
    """Watches a source while anyone looks: ask with get_frame() or shots(), from any thread.

    Threads of its own do the work, each on another frame. One takes frames from the source, so that a source that hangs
    holds nobody else up; one follows the faces in the newest of them; one classifies those; one draws and encodes; and
    one searches whole frames for faces, which the second then follows. Messages, still pictures and the first frame of
    a source need no classifying. Where faces are hidden, only the frames that were searched are shown, half a second
    late; see hidden_frames.py. All rest when nobody has asked for five seconds. An error that nobody foresaw is logged
    and told, and the next frame is tried.
    """

    def __init__(
        self,
        source: Source | None = None,
        model: FacialExpressionModel | Future[FacialExpressionModel] | None = None,
        sure: float = SURE,
    ) -> None:
        """source: see SOURCE, the default. model: a FacialExpressionModel; by default that of the exported files.

        The model may be a Future of one: until it is there, faces have no labels. sure: the share of such labels that
        are right, 0..1, from which on one is. Raises ModelError. A source that cannot be opened raises nothing: the
        picture says so, and it is tried again.
        """
        self.source = parse_source(SOURCE if source is None else source)
        # Of the picture that everyone sees; adapt: whether the network is set to each face, as far as it is known.
        # hide: whether faces are hidden, in recordings too.
        self.settings = {"mirror": False, "boxes": True, "labels": True, "adapt": True, "hide": False}
        self.sure = sure
        self.skipped = Skipped()
        self._model = model or FacialExpressionModel()
        self._threads: list[threading.Thread] = []
        lock = threading.Lock()  # guards all that follows
        self._work = threading.Condition(lock)  # something for the threads to do
        self._published = threading.Condition(lock)  # something for the viewers to see
        self._closed = False
        self._asked = self._plain_asked = 0.0  # time.monotonic() when somebody last wanted a frame, or a plain one
        self._still_frame: _Frame | None = None  # the picture that is all that the source gives
        self._captured: _Frame | None = None  # the newest frame that is not annotated yet
        self._unlabelled: _Followed | None = None  # the frame whose faces are to be classified, until they are
        self._undrawn: _Picture | None = None  # what is to be drawn and shown next, until it is
        self._unsearched: _Search | None = None  # the newest annotated frame, for the next search
        self._found: _Search | None = None  # what the last search found
        self._hidden: HiddenFrames[_Picture] = HiddenFrames()  # searched frames, in which faces are to be hidden
        self._problem: str | None = None  # why there is no frame, in a sentence
        self._fault: tuple[float, str] | None = None  # when something failed that nobody foresaw, and a sentence
        self._late = False  # whether the next frame is later than it can be with this source
        self._retry = RETRY_FIRST  # seconds until a lost source is opened again
        self._shot: Shot | None = None
        self._shot_count = 0
        self._releases = 0  # how often the source was let go
        self._shows_source = False  # whether a frame has been shown since the source was opened
        self._frame_times: deque[float] = deque(maxlen=240)
        self._gaps: deque[float] = deque(maxlen=RECENT_GAPS)  # seconds between the latest frames
        self._given = 0  # number of the shot that get_frame() gave last
        # For the annotating thread:
        self._annotated_source: Source | None = None
        self._annotated_release = 0  # the value of _releases when the frame being annotated was taken
        self._is_still = self._is_played = False  # whether it is a picture, or a file that is played
        self._annotator: LiveAnnotator | None = None  # None until the source has given a frame
        self._frame_search = FrameSearch()
        self._candidate_search = CandidateSearch()  # for the searching thread
        self._seen, self._seen_at = BLANK, 0.0  # the latest frame, and when it was annotated, time.monotonic()

    def get_frame(self) -> bytes:
        """The newest annotated frame as JPEG bytes, as the course's VideoCamera gives it.

        Waits for one that it has not given yet; where the picture stands still, gives the last one again.
        """
        shot = self._next_picture(self._given)
        if shot is None:
            raise RuntimeError("The camera is closed.")
        self._given = shot.number
        return shot.jpeg

    def snapshot(self, plain: bool = False, early: bool = False) -> Shot | None:
        """The newest Shot, waited for while the source is being opened; None once the camera is closed.

        plain: it is to have that too. early: it may be the source's first frame before faces are looked for in it.
        """
        return self._next_picture(0, plain, early)

    def model(self) -> FacialExpressionModel:
        """The network, once it is ready. Raises ModelError where it cannot be loaded."""
        return self._model.result() if isinstance(self._model, Future) else self._model

    def shots(self, plain: bool = False) -> Generator[Shot, None, None]:
        """Yield the newest Shot, and the same again where the picture stands still. plain: each is to have that too."""
        number = 0
        while shot := self._next_shot(number, plain):
            number = shot.number
            if (shot.plain or not plain) and not shot.is_early:
                yield shot

    def state(self) -> dict[str, Any]:
        """What is being watched, as a dict for JSON.

        source, whether that is a picture that stands still, frames a second, what is skipped (see Skipped.state),
        settings, whether faces are averaged with their mirror images (None while that is not known yet), and sentences
        or None: what is wrong with the source, what failed in the program itself, and why there are no labels yet.
        """
        with self._work:
            times = [moment for moment in self._frame_times if moment > time.monotonic() - RATE_OVER]
            rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
            return {
                "source": source_name(self.source),
                "still": self._is_still,
                "fps": round(rate, 1),
                "skipped": self.skipped.state(),
                "problem": self._problem or (LATE if self._late else None),
                "fault": self.fault(),
                "waiting": None if (model := self._ready_model()) else PREPARING,
                "settings": self.settings,
                "mirrored": is_mirrored(model) if model else None,
            }

    def fault(self) -> str | None:
        """A sentence on what failed in the program itself in the last seconds, or None."""
        fault = self._fault
        return fault[1] if fault and time.monotonic() - fault[0] < FAULT_TOLD else None

    def change_settings(self, settings: dict[str, bool]) -> None:
        """Change some of the settings, from the next frame on. settings: a dict such as {"mirror": True}."""
        with self._work:
            before, self.settings = self.settings, self.settings | settings
            if self.settings["hide"] != before["hide"]:
                self._hidden.clear()
            if self.settings["hide"] and not before["hide"]:  # nobody gets what was made before
                self._shot = self._undrawn = None
            self._draw_again()

    def rest(self, number: int) -> bool:
        """Take how the face of that number looks in the next two seconds for its resting face, for everyone.

        Returns whether there is such a face.
        """
        annotator = self._annotator
        return annotator is not None and annotator.rest(number)

    def watch(self, source: Source) -> None:
        """Watch another source from now on, for everyone; see SOURCE."""
        with self._work:
            self.source = parse_source(source)
            self._captured = self._still_frame = self._unsearched = self._found = self._problem = None
            self._shows_source = False
            self._gaps.clear()
            self._frame_times.clear()
            self._work.notify_all()

    def close(self) -> None:
        """Let the source go and end the threads, within about a second."""
        with self._work:
            self._closed = True
            self._work.notify_all()
            self._published.notify_all()
        end = time.monotonic() + 1
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))  # a network source may hang for longer

    def _next_picture(self, after: int, plain: bool = False, early: bool = False) -> Shot | None:
        """As _next_shot, but no message for as long as the source may only need some time to open."""
        end = time.monotonic() + OPEN_LONGEST
        number = after
        while shot := self._next_shot(number, plain):
            number = shot.number
            opening = not self._shows_source and self._problem is None and time.monotonic() < end
            is_awaited = early or not shot.is_early
            if is_awaited and not (shot.is_card and opening) and (shot.plain or not plain):
                return shot
        return None

    def _next_shot(self, after: int, plain: bool = False) -> Shot | None:
        """The newest shot: one numbered above `after`, or after REPEAT_AFTER any. None once the camera is closed."""
        with self._work:
            if not self._threads and not self._closed:
                steps = (self._capture, self._annotate, self._label, self._show, self._search)
                self._threads = [threading.Thread(target=self._repeat, args=(step,), daemon=True) for step in steps]
                for thread in self._threads:
                    thread.start()
            self._ask(plain)
            self._published.wait_for(lambda: self._closed or (self._shot and self._shot.number > after), REPEAT_AFTER)
            while not self._closed and self._shot is None:  # a frame or a message comes within CARD_AFTER
                self._ask(plain)
                self._published.wait(REPEAT_AFTER)
            return None if self._closed else self._shot

    def _ask(self, plain: bool) -> None:
        if not self._wanted():
            self._work.notify_all()  # they rest
        self._asked = time.monotonic()
        if plain:
            if not self._plain_wanted():
                self._draw_again()
            self._plain_asked = self._asked

    def _wanted(self) -> bool:
        return not self._closed and time.monotonic() - self._asked < RELEASE_AFTER

    def _source_wanted(self, source: Source) -> bool:
        return self._wanted() and source is self.source

    def _source_dropped(self, source: Source) -> bool:
        return self._closed or source is not self.source

    def _plain_wanted(self) -> bool:
        return time.monotonic() - self._plain_asked < RELEASE_AFTER

    def _draw_again(self) -> None:
        """Have a picture that stands still drawn once more; moving ones are anyway."""
        self._captured = self._captured or self._still_frame
        self._work.notify_all()

    def _repeat(self, step: Callable[[], None]) -> None:
        """Do a thread's step again and again until the camera is closed, whatever it raises."""
        while not self._closed:
            try:
                step()
            except Exception as error:  # nobody foresaw it; it costs this frame alone
                log.exception("A frame was lost")
                sentence = f"Something in the program failed ({type(error).__name__}); its terminal has the details."
                self._fault = time.monotonic(), sentence
                self._annotator = None  # whose state may be what failed
                time.sleep(FAULT_PAUSE)

    def _capture(self) -> None:
        """Keep the source's newest frame at hand until the source ends or is not wanted any more."""
        with self._work:
            if not self._wanted():
                self._shot = self._captured = None  # the next viewer should not see an old frame first
                self._releases += 1
                self._shows_source = False
                self._frame_times.clear()
                self._gaps.clear()
                self._work.wait_for(lambda: self._closed or self._wanted())
                self._seen_at = time.monotonic()
        source, latest = self.source, None
        try:
            for planes in read_frames(source, partial(self._source_wanted, source)):
                self._retry = RETRY_FIRST
                with self._work:
                    if source is self.source:
                        now = time.monotonic()
                        self.skipped.add_frame(self._captured is not None)
                        gap = now - latest if latest is not None else 0.0
                        self._captured, self._problem = _Frame(time.time(), planes, gap), None
                        self._frame_times.append(now)
                        if latest is not None:
                            self._gaps.append(gap)
                        latest = now
                        self._work.notify_all()
        except SourceError as error:
            with self._work:
                if source is self.source:
                    self._problem = str(error)
                    self._work.wait_for(partial(self._source_dropped, source), self._retry)
            self._retry = min(2 * self._retry, RETRY_LONGEST)

    def _annotate(self) -> None:
        """Follow the faces in the next captured frame, or say what is missing."""
        with self._work:
            self._work.wait_for(lambda: self._closed or self._captured, CARD_AFTER / 4)
            if self.settings["hide"]:  # only what is searched is shown; following all the others would slow that down
                left = self._seen_at + FOLLOW_EVERY - time.monotonic()
                self._work.wait_for(lambda: self._closed or not (self._unlabelled or self._unsearched), max(0, left))
            captured, self._captured = self._captured, None
            if self._annotated_source is not self.source or self._annotated_release != self._releases:
                self._annotated_source, self._annotator = self.source, None  # which forgets the faces
                self._annotated_release = self._releases
                self._is_still, self._is_played = is_picture(self.source), is_played(self.source)
                self._seen, self._seen_at = BLANK, time.monotonic()
        if captured is None:
            self._late = self._wanted() and self._is_late()
            if self._late:
                self._draw(self._card())
            return
        self._late, planes, settings = False, captured.planes, self.settings
        if settings["mirror"]:
            planes = mirrored(planes)  # before anything is drawn: text is never mirrored
        if self._is_still:
            self._still_frame = captured
            self._seen = planes
            self._annotate_still(captured.timestamp, planes, settings["hide"])
        else:
            self._follow(captured, planes, settings)
        self._seen_at = time.monotonic()

    def _is_late(self) -> bool:
        """Whether the next frame is later than it can be with this source."""
        waited = time.monotonic() - self._seen_at
        # There is a reason, or the source is being opened, or nothing is left to be shown.
        if self._problem or self._annotator is None or self._shot is None:
            return waited > CARD_AFTER and not (self._is_still and not self._problem)
        if self._is_played:
            return False
        gaps = list(self._gaps)
        return waited > (max(CARD_AFTER, CARD_AFTER_GAPS * max(gaps)) if gaps else CARD_AFTER_FIRST)

    def _annotate_still(self, timestamp: float, planes: Planes, is_hidden: bool) -> None:
        shown = planes
        if is_hidden:
            shown = planes.copy()
            hide(shown, candidates_in_planes(planes))
        picture = self._picture(timestamp, shown, is_hidden=is_hidden)
        pending = self._model if isinstance(self._model, Future) and not self._model.done() else None
        if pending or not self._shows_source:
            self._draw(replace(picture, is_early=pending is None))
        if pending:
            pending.exception()  # waits for it
        if model := self._ready_model():
            self._draw(replace(picture, faces=find_in_grey(brightness(planes), model, self.sure)))

    def _follow(self, captured: _Frame, planes: Planes, settings: dict[str, bool]) -> None:
        """Follow the faces in a frame and have them classified. planes: the frame's, mirrored if that is wanted."""
        grey, now = brightness(planes), time.monotonic()
        sizes = halvings(grey)
        with self._work:
            search, self._found = self._found, None
        resized = planes.shape != self._seen.shape
        annotator = self._annotator  # which another thread forgets where something fails
        if annotator is None and not settings["hide"]:
            self._draw(self._picture(captured.timestamp, planes, is_early=True))
        if annotator is None or resized:
            search = _Search(sizes, now, found=self._frame_search.search_upright(sizes))
        elif captured.gap > SEARCH_AT_ONCE:
            known = annotator.places()
            search = _Search(sizes, now, known, self._frame_search.search(sizes, known, is_rare=True))
        elif search and search.sizes[0].shape != grey.shape:
            search = None
        if annotator is None:
            annotator = self._annotator = LiveAnnotator(self.sure)
        found, searched = (search.found, search.moment) if search else (None, None)
        faces = annotator.follow(sizes, now, found, searched)
        self._seen = planes
        picture = self._picture(captured.timestamp, planes, faces)
        next_search = _Search(sizes, now, annotator.places())
        view = (picture.source, picture.release, settings["mirror"], planes.shape) if settings["hide"] else None
        with self._work:
            self._work.wait_for(lambda: self._closed or not self._unlabelled)
            self._unlabelled = _Followed(picture, next_search, annotator, view)
            self._work.notify_all()

    def _label(self) -> None:
        """Classify the faces that were followed in the next frame; it is then to be searched, and to be drawn."""
        with self._work:
            self._work.wait_for(lambda: self._closed or self._unlabelled is not None)
            followed = self._unlabelled
        if followed is None:
            return
        picture = None
        try:
            picture = self._label_faces(followed)
        finally:
            with self._work:
                self._work.wait_for(lambda: self._closed or not self._undrawn)
                self._undrawn, self._unlabelled = picture, None
                self._work.notify_all()

    def _label_faces(self, followed: _Followed) -> _Picture | None:
        """The frame with the labels of its faces. None where it is shown later, with its faces hidden."""
        picture, search, model = followed.picture, followed.search, self._ready_model()
        adapt, mirrored = self.settings["adapt"], model is not None and is_mirrored(model)
        faces = followed.annotator.label(picture.faces, search.sizes[0], search.moment, model, adapt, mirrored)
        self.skipped.add_labels(faces, search.moment)
        picture = replace(picture, faces=faces)
        if followed.view is not None:
            search = replace(search, to_hide=(followed.view, picture))
        with self._work:
            if picture.source is self.source:
                self._unsearched = search
                if search.to_hide and self.settings["hide"]:
                    self._hidden.see(followed.view, search.moment, search.known)
                self._work.notify_all()
        return picture if followed.view is None else None

    def _search(self) -> None:
        """Search the newest whole frame, get to know one face, and rest for as long as the machine needs."""
        with self._work:
            self._work.wait_for(lambda: self._closed or self._unsearched is not None)
            search, self._unsearched = self._unsearched, None
            self._work.notify_all()
            source = self.source
        if search is None:
            return
        began = time.monotonic()
        found = self._frame_search.search(search.sizes, search.known)
        with self._work:
            if source is self.source:
                self._found = replace(search, found=found)
        if search.to_hide:
            candidates = [*(each.place for each in found), *self._candidate_search.search(search.sizes)]
            with self._work:
                if self.settings["hide"]:
                    view, picture = search.to_hide
                    self._hidden.add(view, search.moment, picture, candidates)
                    self._work.notify_all()
        annotator, model = self._annotator, self._ready_model()
        if annotator and model:
            annotator.learn(model)
        if search.to_hide:  # only what is searched is shown
            return
        took = time.monotonic() - began
        with self._work:
            self._work.wait_for(lambda: self._closed, max(SEARCH_EVERY, took / SEARCH_SHARE) - took)

    def _ready_model(self) -> FacialExpressionModel | None:
        """The model, or None while it is being prepared."""
        if not isinstance(self._model, Future):
            return self._model
        return self._model.result() if self._model.done() and not self._model.exception() else None

    def _picture(
        self,
        timestamp: float,
        planes: Planes,
        faces: Sequence[Face] = (),
        is_card: bool = False,
        is_early: bool = False,
        is_hidden: bool = False,
    ) -> _Picture:
        assert self._annotated_source is not None
        release = self._annotated_release
        return _Picture(timestamp, planes, self._annotated_source, release, faces, is_card, is_early, is_hidden)

    def _card(self) -> _Picture:
        """The message that there is no frame."""
        is_hidden = self.settings["hide"]
        behind = np.zeros_like(self._seen) if is_hidden else self._seen
        card = message_card(behind, self._message())
        return self._picture(time.time(), card, is_card=True, is_hidden=is_hidden)

    def _draw(self, picture: _Picture) -> None:
        """Have a picture drawn and shown that needs no classifying, after those that came before."""
        with self._work:
            self._work.wait_for(lambda: self._closed or not (self._unlabelled or self._undrawn))
            self._undrawn = picture
            self._work.notify_all()

    def _next_undrawn(self) -> _Picture | None:
        """Wait for the next frame that is to be drawn. None where it has to wait longer, or the camera is closed."""
        with self._work:
            self._work.wait_for(lambda: self._closed or self._undrawn or self._hidden)
            if self._undrawn or self._closed:
                return self._undrawn
            if (left := self._hidden.left(time.monotonic())) > 0:
                self._work.wait(left)
                return None
            picture, places = self._hidden.take()
        planes = picture.planes.copy()  # the faces are still searched for in the other
        hide(planes, places)
        return replace(picture, planes=planes, is_hidden=True)

    def _show(self) -> None:
        """Show the next frame or message that is to be drawn."""
        picture = self._next_undrawn()
        if picture is None:
            return
        try:
            self._publish(picture)
        finally:
            with self._work:
                if self._undrawn is picture:
                    self._undrawn = None
                    self._work.notify_all()

    def _publish(self, picture: _Picture) -> None:
        """Draw and encode a frame, and give it to the viewers."""
        faces, drawn, plain = picture.faces, picture.planes, None
        if faces:
            plain = to_jpeg(picture.planes) if self._plain_wanted() else None
            drawn = picture.planes.copy()  # the faces are still searched for in the other
            draw_on_planes(drawn, faces, outlines=self.settings["boxes"], labels=self.settings["labels"])
        jpeg = to_jpeg(drawn)
        with self._published:
            may_be_shown = picture.is_hidden or not self.settings["hide"]
            if may_be_shown and self._wanted() and picture.release == self._releases:
                self._shot_count += 1
                if not picture.is_card and not picture.is_early and picture.source is self.source:
                    self._shows_source = True
                height, width = size_of(drawn)
                plain = plain if faces else jpeg
                size = width, height
                shown = jpeg, plain, size, picture.planes, faces, picture.is_card, picture.is_early
                self._shot = Shot(self._shot_count, picture.timestamp, *shown)
                self._published.notify_all()

    def _message(self) -> list[str]:
        if self._problem is None:
            return ["Waiting for the picture"]
        return ["No picture", "Trying again; see the page for the reason"]
