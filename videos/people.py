"""What the network learns of each person in a video, over the whole of it, before any of their faces gets its label."""

from collections.abc import Sequence

import numpy as np

from videos.job import Job, Rest
from videos.outputs import read_crops
from videos.table import Found
from vision.acquaintance import MOST, RESTING, Album
from vision.annotate import largest_face
from vision.classify import Classifier, Person, believed
from vision.crop import all_in_good_light
from vision.source import SourceError, read_picture

LOOK_EVERY = 0.3  # seconds from one look at a face to the next; all that it shows is known
LEAST_SEEN = 4  # different pictures of a face, below which it is judged as nobody's

People = dict[int, Person]  # by the number of the face


def learn_people(job: Job, firsts: Sequence[int], parts: Sequence[Found], model: Classifier) -> People:
    """What the network is to be set to for each face of a video.

    firsts: the first frame of each segment. parts: what was found there, numbered through. Raises SourceError where the
    picture of a resting face cannot be used.
    """
    albums: dict[int, Album] = {}
    resting: dict[int, list[np.ndarray]] = {}
    seen: dict[int, int] = {}  # how many faces each number has
    begun: dict[int, float] = {}  # the moment when each was first seen
    for first, part in zip(firsts, parts):
        classified = part.classified()
        for number, moment, crop in zip(classified.numbers.tolist(), classified.times.tolist(), read_crops(job, first)):
            albums.setdefault(number, Album(LOOK_EVERY)).look(crop.copy(), moment)  # not a view of all
            seen[number] = seen.get(number, 0) + 1
            if job.rest and _is_resting(job.rest, number, moment, begun.setdefault(number, moment)):
                resting.setdefault(number, []).append(crop.copy())
    if job.rest and job.rest.picture and seen:
        resting[max(seen, key=lambda number: seen[number])] = [_face_in(job.rest)]
    people: People = {}
    for number, album in albums.items():
        faces = resting.get(number) or (album.crops if len(album.crops) >= LEAST_SEEN else [])
        step = -(-len(faces) // MOST)
        person = model.learn(all_in_good_light(np.array(faces[::step])), number in resting) if faces else None
        if person is not None:
            people[number] = person
    return people


def classify_part(job: Job, first: int, part: Found, people: People, model: Classifier) -> np.ndarray:
    """Calibrated probabilities, (n, 7) float32, of the n faces of a segment that can be classified; mirrored.

    first: its first frame. people: what was learned of its faces.
    """
    part, crops = part.classified(), read_crops(job, first)
    known = [people.get(number) for number in part.numbers.tolist()]
    return believed(crops, part.boxes[:, 2:].max(axis=1), part.angles, model, known)


def _is_resting(rest: Rest, number: int, moment: float, begun: float) -> bool:
    if rest.picture or rest.face not in (None, number):
        return False
    since = begun if rest.seconds is None else rest.seconds
    return since <= moment < since + RESTING


def _face_in(rest: Rest) -> np.ndarray:
    """The largest face in the picture of a resting face, (48, 48) uint8."""
    assert rest.picture
    crop = largest_face(read_picture(rest.picture))
    if crop is None:
        raise SourceError(f"{rest.picture} shows no face that could be a resting face.")
    return crop
