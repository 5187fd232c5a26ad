// Where a player is in its recording: it follows the video, or runs by itself where there is none.

class Clock {
  // moved: is called whenever `time` or `isPlaying` has changed.
  constructor(recording, moved) {
    Object.assign(this, { recording, moved, time: 0 });
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  // To the frame that is so many frames further on.
  step(frames) {
    const { moments } = this.recording;
    const frame = this.recording.frameAt(this.time) + frames;
    this.pause();
    this.goTo(moments[Math.min(Math.max(0, frame), moments.length - 1)]);
  }
}

export class OwnClock extends Clock {
  isPlaying = false;
  rate = 1;

  play() {
    if (this.time >= this.recording.seconds) this.time = 0;
    this.isPlaying = true;
    let before = performance.now();
    const tick = (now) => {
      if (!this.isPlaying) return;
      this.time = Math.min(this.recording.seconds, this.time + (this.rate * Math.max(0, now - before)) / 1000);
      before = now;
      if (this.time === this.recording.seconds) this.isPlaying = false;
      else requestAnimationFrame(tick);
      this.moved();
    };
    requestAnimationFrame(tick);
    this.moved();
  }

  pause() {
    this.isPlaying = false;
    this.moved();
  }

  goTo(time) {
    this.time = Math.min(Math.max(0, time), this.recording.seconds);
    this.moved();
  }
}

export class VideoClock extends Clock {
  target = null; // where to seek once the video has done an earlier seek

  // shown: is called with the time of each frame of the video when it is on the screen.
  constructor(recording, video, moved, shown) {
    super(recording, moved);
    Object.assign(this, { video, shown });
    for (const event of ["play", "pause", "ended"]) video.addEventListener(event, () => moved());
    video.addEventListener("seeked", () => this.seek());
    if ("requestVideoFrameCallback" in video) this.followFrames();
    else this.followTime();
  }

  get isPlaying() {
    return !this.video.paused && !this.video.ended;
  }

  get rate() {
    return this.video.playbackRate;
  }

  set rate(rate) {
    this.video.playbackRate = rate;
  }

  play() {
    this.video.play().catch(() => null); // a browser may refuse; then it stays paused
  }

  pause() {
    this.video.pause();
  }

  // Into the middle of the frame, since a browser may round a frame's very beginning to the frame before.
  goTo(time) {
    const frame = this.recording.frameAt(time);
    this.time = this.recording.moments[frame];
    this.target = this.time + this.recording.spans[frame] / 2;
    this.seek();
    this.moved();
  }

  // One seek at a time: the video shows the frames that it can on the way, and the latest in the end.
  seek() {
    if (this.target === null || this.video.seeking) return;
    this.video.currentTime = this.target;
    this.target = null;
  }

  followFrames() {
    this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      this.arrive(mediaTime);
      this.followFrames();
    });
  }

  followTime() {
    for (const event of ["loadeddata", "timeupdate", "seeked"]) {
      this.video.addEventListener(event, () => this.arrive(this.video.currentTime));
    }
  }

  arrive(time) {
    this.shown(time);
    if (!this.isPlaying || this.video.seeking || this.target !== null) return;
    this.time = time;
    this.moved();
  }
}
