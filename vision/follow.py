"""Follows faces from frame to frame, however they tilt, while they can be seen.

A search of the whole frame takes ten times as long as there is time for each frame. A look around a face's last place
takes a millisecond. So whole frames are searched now and then, and in between every face is looked for near its last
place, at the angle it has there, and now and then a little to both sides of it.
"""

import functools
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from vision.faces import Face, State
from vision.judge import SHOWN, SURE, Found, judge
from vision.look import (
    FINER,
    SCALE_FACTOR,
    SMALLEST,
    SMALLEST_IN_CROWD,
    TILT_STEP,
    UPRIGHT_BELOW,
    Side,
    Sight,
    agreed_on,
    look,
    look_alike,
    tilt,
    turned,
)
from vision.patches import SAME_FACE, Box, Patch, Place, cut, is_another_scene, is_part, overlaps, sketch_of
from vision.sightings import REMEMBERED, Sighting, likeness, returning, see

AWAY_NEIGHBOURS = 2  # the same for a face that is known to be in profile
NEIGHBOURS = 3  # how many windows must agree: more lenient than where nothing is known yet
DOUBLE_FACE = 0.4  # overlap from which on two followed faces are one
ALIKE_FOR = 0.5  # seconds for which a face that no cascade sees is followed by how it looked
HOLD = 0.27  # seconds that a box stays where its face was last seen
LATEST = 16  # frames: a search that takes longer than these last comes too late
AWAY_JUDGED_AFTER, AWAY_UNCONFIRMED = 0.2, 0.45  # the same two for a face in profile, which is mistaken more easily
UNCONFIRMED = 1.6  # seconds for which a face is followed that neither a search nor a second look has found again
JUDGED_AFTER = 1.0  # seconds since it was last found, after which a face gets a second look
TO_SIDES = (0, 1, 0, -1)  # times TILT_STEP: the angles of the looks at a face, in turn
LOST = (0, 1, -1)  # times TILT_STEP: the angles at which a face is looked for that is not seen where it was
LEANS = (0, 1, -1)  # times TILT_STEP: the same for a face in profile
SAME_LOOK = 0.6  # likeness to how it looked, from which on such a face is the same
STEEPEST = 75  # degrees
# Of the faces of a live frame, so many are looked at with a cascade, or one in so many if that is more: those that have
# waited longest. The others are followed by how they looked, which takes a tenth of the time.
LOOKS, LOOKS_SHARE = 4, 1 / 4
SIDES: tuple[Side, ...] = ("left", "right")


@dataclass
class _Track:
    """A face that is followed."""

    place: Place  # the latest
    seen: float  # the moment when it was last seen
    confirmed: float  # the moment when it was last found or judged
    recognised: float  # the moment when a cascade last saw it
    score: float
    side: Side = ""
    number: int | None = None  # None until it is shown
    searches: int = 1  # that have found it
    patch: Patch | None = None  # of the frame in which it was last looked at
    judged: float = -math.inf  # the moment of the last second look
    looks: int = 0  # so far
    looked: float = -math.inf  # the moment of the latest
    sides: dict[int, int] = field(default_factory=dict)  # how many windows agreed in the latest looks to the sides


@dataclass(frozen=True)
class _Past:
    """A frame that was followed in."""

    moment: float
    sizes: list[np.ndarray]  # its halvings
    sketch: np.ndarray
    places: dict[int, Place]  # by the identity of the track


class FaceFollower:
    """Follows faces from frame to frame. Not safe to call from two threads at once."""

    def __init__(self, is_live: bool = False) -> None:
        """is_live: whether a face that may be none is shown only once a second search has found it."""
        self._is_live = is_live
        self._numbers = count(1)
        self._tracks: list[_Track] = []
        self._past: deque[_Past] = deque(maxlen=LATEST)
        self._begun = -math.inf  # the moment of the scene's first frame
        self._scene = 0  # how many cuts there have been
        self._sightings: dict[int, Sighting] = {}  # of faces with numbers, for as long as they may come back

    def places(self) -> list[Place]:
        """Where the faces are that are followed."""
        return [track.place for track in self._tracks]

    def side(self, number: int) -> Side:
        """Where a face that is followed looks, if it is seen in profile."""
        return next(track.side for track in self._tracks if track.number == number)

    def follow(
        self,
        sizes: list[np.ndarray],
        moment: float,
        found: Sequence[Found] | None = None,
        searched: float | None = None,
    ) -> list[Face]:
        """The faces in the next frame, from left to right, with number and place.

        sizes: its halvings. moment: its time in seconds, of any clock. found: what a search found in this frame, or in
        that of the moment `searched`; None where there was no search.
        """
        sketch = sketch_of(sizes)
        if self._past and self._is_other(sizes[0], sketch):  # the places are those of another picture
            self._tracks.clear()
            self._past.clear()
            self._begun = moment
            self._scene += 1
        searched = moment if searched is None else searched
        if found is not None and searched >= self._begun:
            self._welcome(found, searched, moment)
        self._advance_all(sizes, moment)
        self._tracks = [track for track in self._tracks if self._is_there(track, moment)]
        self._drop_doubles()
        self._past.append(_Past(moment, sizes, sketch, {id(track): track.place for track in self._tracks}))
        self._give_numbers(sizes, moment)
        faces = [
            replace(
                face_of(track.number, track.place, track.score, track.side, sizes[0]),
                is_seen=track.recognised == moment,
            )
            for track in self._tracks
            if track.number
        ]
        see(self._sightings, faces, sizes, moment, self._scene)
        return sorted(faces, key=lambda face: face.box)

    def _advance_all(self, sizes: list[np.ndarray], moment: float) -> None:
        """Look for every face in the next frame; live, with the cores that there are."""
        if not self._is_live or len(self._tracks) == 1:
            for track in self._tracks:
                self._advance(track, sizes, moment)
            return
        in_turn = sorted(self._tracks, key=lambda track: track.looked)
        looks = max(LOOKS, math.ceil(LOOKS_SHARE * len(in_turn)))
        waiting = [_helpers().submit(self._advance, track, sizes, moment) for track in in_turn[:looks]]
        for track in in_turn[looks:]:
            self._advance(track, sizes, moment, quickly=True)
        for each in waiting:
            each.result()

    def _advance(self, track: _Track, sizes: list[np.ndarray], moment: float, quickly: bool = False) -> None:
        """Look for a face in the next frame. quickly: by how it looked, if that is enough."""
        patch, was_recognised = cut(sizes, track.place), track.recognised == track.seen
        is_there = track.patch is not None and not patch.changed(track.patch)
        if quickly and track.patch and not is_there and (sight := look_alike(patch, track.patch)):
            track.place, is_there = sight.place, True  # the patch stays that of the last look, so that no errors add up
        if is_there:
            track.seen, track.recognised = moment, moment if was_recognised else track.recognised
        else:
            track.looked = moment
            if self._see(track, sizes, patch, moment):
                track.seen = moment
                track.patch = cut(sizes, track.place)
        unjudged = moment - max(track.confirmed, track.judged)
        if track.seen == moment and unjudged > (AWAY_JUDGED_AFTER if track.side else JUDGED_AFTER):
            self._confirm(track, sizes, moment)

    def trace(
        self, place: Place, side: Side, frames: Iterable[list[np.ndarray]]
    ) -> Iterator[tuple[Place, Side] | None]:
        """Where a face is in one frame after another, forwards or backwards, and where it looks, until it is lost.

        frames: their halvings. Yields None for a frame in which the face was not seen, but was again after that.
        """
        missed, track = 0, _Track(place, 0.0, 0.0, 0.0, 0.0, side)
        for sizes in frames:
            if not self._see(track, sizes, cut(sizes, track.place), 0.0):
                missed += 1
                continue
            yield from [None] * missed
            missed = 0
            yield track.place, track.side

    def _is_other(self, grey: np.ndarray, sketch: np.ndarray) -> bool:
        """Whether a frame is of another size or scene than the last."""
        last = self._past[-1]
        return last.sizes[0].shape != grey.shape or is_another_scene(sketch, last.sketch)

    def _see(self, track: _Track, sizes: list[np.ndarray], patch: Patch, moment: float) -> bool:
        """Look at a face in the next frame, and move its place to where it is. Returns whether it is seen."""
        offset = TO_SIDES[track.looks % len(TO_SIDES)]
        track.looks += 1
        sight: Sight | None = None
        if offset and not track.side:
            # In all sizes: how many windows agree tells the tilt.
            sight = _look_turned(sizes, track.place, offset * TILT_STEP)
            track.sides[offset] = agreed_on(sight)
        sight = sight or look(patch, neighbours=NEIGHBOURS, smallest=self._smallest())
        if sight is None:
            sights = {step: _look_turned(sizes, track.place, step * TILT_STEP, FINER) for step in LOST}
            step = max(LOST, key=lambda step: agreed_on(sights[step]))
            if (sight := sights[step]) and track.patch:  # which may be somebody beside them
                is_same = likeness([track.patch.grey], [cut(sizes, sight.place).grey]) > SAME_LOOK
                sight = sight if is_same else None
            if sight:
                track.place = turned(track.place, step * TILT_STEP)
                track.sides.clear()
        side: Side = ""
        if sight is None:
            sight, side = self._see_profile(track, sizes, patch)
        if sight:
            track.recognised = moment
        elif track.patch and moment - track.recognised <= ALIKE_FOR:
            sight, side = look_alike(patch, track.patch), track.side
        if sight is None:
            return False
        track.side = side
        angle = track.place.angle
        if len(track.sides) == 2:
            angle += tilt(track.sides[-1], track.sides[1])
            track.sides.clear()
        track.place = replace(sight.place, angle=max(-STEEPEST, min(angle, STEEPEST)))
        return True

    def _smallest(self) -> float:
        """The smallest face to look for, see `look`."""
        takes_turns = self._is_live and len(self._tracks) > LOOKS
        return SMALLEST_IN_CROWD if takes_turns else SMALLEST

    def _see_profile(self, track: _Track, sizes: list[np.ndarray], patch: Patch) -> tuple[Sight | None, Side]:
        """Look at a face that no frontal look sees: whether it is there in profile, and where it looks then."""
        if not track.side:
            sights: dict[Side, Sight | None] = {side: look(patch, side, neighbours=NEIGHBOURS) for side in SIDES}
            side = max(SIDES, key=lambda side: agreed_on(sights[side]))
            return sights[side], side
        for lean in LEANS:
            patch = cut(sizes, turned(track.place, lean * TILT_STEP)) if lean else patch
            if sight := look(patch, track.side, neighbours=AWAY_NEIGHBOURS):
                track.place = turned(track.place, lean * TILT_STEP)
                return sight, track.side
        return None, ""

    def _is_there(self, track: _Track, moment: float) -> bool:
        longest = AWAY_UNCONFIRMED if track.side else UNCONFIRMED
        return moment - track.seen <= HOLD and moment - track.confirmed <= longest

    def _confirm(self, track: _Track, sizes: list[np.ndarray], moment: float) -> None:
        track.judged = moment
        found = judge(sizes, track.place, track.side)
        if found.score >= SHOWN:
            track.confirmed, track.score = moment, found.score

    def _welcome(self, found: Sequence[Found], searched: float, moment: float) -> None:
        """Confirm the faces that the search of a whole frame found again, and begin to follow the others."""
        since = [past for past in self._past if past.moment >= searched]
        # Where the faces were in the frame that was searched, which may be some frames ago.
        there = since[0].places if since else {id(track): track.place for track in self._tracks}
        tracks = {id(track): track for track in self._tracks}
        for each in found:
            shares = overlaps(each.place.box, [place.box for place in there.values()])
            nearest = list(there)[shares.argmax()] if len(shares) and shares.max() > SAME_FACE else None
            if nearest is not None and (track := tracks.get(nearest)):
                track.confirmed = moment
                track.searches += 1
                track.score = max(track.score, each.score)
                if not since:
                    track.seen = moment
                continue
            if each.score < SHOWN:
                continue
            (place, side), seen = (each.place, each.side), searched
            for past, then in zip(since[1:], self.trace(place, side, (past.sizes for past in since[1:]))):
                if then is not None:
                    (place, side), seen = then, past.moment
            self._tracks.append(_Track(place, seen, moment, seen, each.score, side))

    def _give_numbers(self, sizes: list[np.ndarray], moment: float) -> None:
        """Give faces that are to be shown from now on their numbers: those that they had, if they come back."""
        shown = {track.number for track in self._tracks}
        gone = {number: each for number, each in self._sightings.items() if number not in shown}
        for number, each in gone.items():
            if moment - each.last > REMEMBERED:
                del self._sightings[number]
        for track in self._tracks:
            if track.number is None and (not self._is_live or track.score >= SURE or track.searches > 1):
                looks = deque([cut(sizes, track.place).grey])
                newcomer = Sighting(moment, track.place, moment, track.place, self._scene, looks)
                track.number = returning(newcomer, gone.items()) or next(self._numbers)
                gone.pop(track.number, None)

    def _drop_doubles(self) -> None:
        """Where two followed faces have become one, keep the older; where one is but a part of another, the whole."""
        kept: list[int] = []
        places = self.places()
        boxes = np.array([place.box for place in places])
        for index, track in enumerate(self._tracks):
            if track.score < SURE and is_part(track.place, places):
                continue
            if overlaps(boxes[index], boxes[kept]).max(initial=0) <= DOUBLE_FACE:
                kept.append(index)
        self._tracks = [self._tracks[index] for index in kept]


@functools.cache
def _helpers() -> ThreadPoolExecutor:
    """Threads that look at faces side by side, the same for all that is watched."""
    return ThreadPoolExecutor(min(4, os.cpu_count() or 1), "look")


def face_of(number: int, place: Place, score: float, side: Side, grey: np.ndarray) -> Face:
    """A Face of what was found in a grey frame, (height, width) uint8, with its box inside the frame."""
    state: State = "turned away" if side else "frontal"
    angle = round(place.angle) if abs(place.angle) >= UPRIGHT_BELOW else 0
    return Face(number, _inside(place.box, grey), angle=angle, score=score, state=state)


def _look_turned(
    sizes: list[np.ndarray], place: Place, degrees: float, scale_factor: float = SCALE_FACTOR
) -> Sight | None:
    """A look at a place as if the face in it were tilted by more."""
    return look(cut(sizes, turned(place, degrees)), neighbours=NEIGHBOURS, scale_factor=scale_factor)


def _inside(box: Box, grey: np.ndarray) -> Box:
    """The part of a box that lies in the frame; at least a pixel of it."""
    height, width = grey.shape
    x, y = min(max(box[0], 0), width - 1), min(max(box[1], 0), height - 1)
    return x, y, max(min(box[0] + box[2], width), x + 1) - x, max(min(box[1] + box[3], height), y + 1) - y
