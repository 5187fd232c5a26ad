"""A cluster's errors reach people as sentences, whatever process they come from."""

import pytest
from distributed import Client, KilledWorker
from distributed.client import FutureCancelledError

import analyze
from videos import cluster as cluster_module
from videos.cluster import ClusterError, connected, run
from videos.job import Job


@pytest.fixture
def jobs(astronaut, film, tmp_path):
    """A whole video, and two whose outputs have no room: a file is where their work would go."""
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        film(tmp_path / name, [astronaut[:240, 80:400]] * 3)
    for name in ("b", "c"):
        (tmp_path / f".{name}.mp4.analysing").write_text("")
    return tmp_path


def test_what_goes_wrong_in_a_worker_is_told_as_it_is_here(jobs, cluster, capsys):
    options = [str(jobs), "--no-video", "--no-timeline"]
    told = []
    for where in ([], ["--scheduler", cluster.scheduler.address]):
        assert analyze.main([*options, *where]) == 1
        told.append(sorted(capsys.readouterr().err.splitlines()))
    assert told[0] == told[1]
    assert [line.rpartition("/")[2] for line in told[0]] == [
        f"{name}.mp4 cannot be analysed: what an earlier run left among its outputs cannot be removed."
        for name in ("b", "c")
    ]


def test_what_nobody_foresaw_in_a_worker_is_told_without_a_librarys_words(jobs, cluster, capsys, monkeypatch):
    def steps(job):
        yield [cluster_module.Call(int, ("no number",))]

    monkeypatch.setattr(cluster_module, "shared_steps", steps)
    assert analyze.main([str(jobs / "a.mp4"), "--scheduler", cluster.scheduler.address]) == 1
    errors = capsys.readouterr().err
    assert "for a reason that nobody foresaw" in errors
    assert "no number" not in errors


def test_an_error_while_steps_are_handed_out_costs_that_video_alone(cluster, monkeypatch):
    def steps(job):
        if job.name == "bad":
            raise ZeroDivisionError
        _, done = yield [cluster_module.Call(abs, (-1,))]
        return cluster_module.Done(done, 0)

    monkeypatch.setattr(cluster_module, "shared_steps", steps)
    jobs = [Job(cluster_module.ROOT / name, name, "", False, None, False) for name in ("bad", "b")]
    outcomes = {job.name: outcome for job, _, _, outcome in run(cluster, jobs)}
    assert isinstance(outcomes["bad"], ZeroDivisionError)
    assert outcomes["b"] == cluster_module.Done(1, 0)


def test_the_scheduler_gets_a_few_steps_at_a_time(cluster, monkeypatch):
    at_once, hand_out = [], cluster_module._Run._hand_out

    def steps(job):
        calls = [cluster_module.Call(abs, (-number,)) for number in range(50)]
        for count in range(50):
            call, result = yield calls if count == 0 else []
            assert result == -call.arguments[0]
        return cluster_module.Done(50, 0)

    def counted(self):
        hand_out(self)
        at_once.append(len(self._places))

    monkeypatch.setattr(cluster_module, "shared_steps", steps)
    monkeypatch.setattr(cluster_module._Run, "_hand_out", counted)
    jobs = [Job(cluster_module.ROOT / name, name, "", False, None, False) for name in "ab"]
    outcomes = [outcome for *_, outcome in run(cluster, jobs) if outcome]
    assert outcomes == [cluster_module.Done(50, 0)] * 2
    assert max(at_once) == cluster_module.WAITING_FOR_EACH * sum(cluster.nthreads().values())


def test_a_video_that_kills_its_workers_is_told(jobs, cluster, capsys, monkeypatch):
    monkeypatch.setattr("distributed.Future.exception", lambda future: KilledWorker(future.key, None, 20))
    assert analyze.main([str(jobs / "a.mp4"), "--scheduler", cluster.scheduler.address]) == 1
    assert "a.mp4: Each process that tried it was killed; it may be damaged" in capsys.readouterr().err


def test_a_scheduler_that_goes_away_is_told(cluster, monkeypatch):
    def lost(future):
        raise FutureCancelledError(future.key, "scheduler-connection-lost")

    def steps(job):
        yield [cluster_module.Call(abs, (-1,))]

    monkeypatch.setattr(cluster_module, "shared_steps", steps)
    monkeypatch.setattr("distributed.Future.exception", lost)
    job = Job(cluster_module.ROOT / "a.mp4", "a.mp4", "", False, None, False)
    with pytest.raises(ClusterError, match="The scheduler has gone. What is finished stays"):
        list(run(cluster, [job]))


@pytest.mark.parametrize("address", ["nonsense://x", "tcp://127.0.0.1:9"])
def test_an_address_where_no_scheduler_is_is_told(address, monkeypatch):
    monkeypatch.setattr(cluster_module, "CONNECT_TIMEOUT", 1)
    with pytest.raises(ClusterError, match=f"No scheduler answers at {address}"), connected(address) as client:
        assert isinstance(client, Client)
