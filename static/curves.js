// A curve for each expression of one person over time, drawn by uPlot.
import { timeText } from "./clock.js";
import { percent } from "./numbers.js";
import uPlot from "./vendor/uplot/uPlot.js";

const HEIGHT = 180; // pixels
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600]; // seconds between moments
const BETWEEN_MOMENTS = 70; // pixels, at least
const FONT = "12px system-ui, sans-serif";

export class Curves {
  // colours: of the expressions. sides: pixels left and right of the curves; left changes with the width.
  constructor(place, recording, colours, sides) {
    Object.assign(this, { place, recording, colours, sides, person: null, chart: null });
  }

  show(person) {
    this.person = person;
    this.draw();
  }

  draw() {
    const width = this.place.clientWidth;
    if (!width) return; // hidden
    const { left, right } = this.sides;
    const columns = Math.max(1, width - left - right);
    const data = this.person ? this.recording.curves(this.person, columns) : [[0], ...this.colours.map(() => [null])];
    if (!this.chart) this.chart = new uPlot(this.options(width), data, this.place);
    else {
      this.chart.setSize({ width, height: HEIGHT });
      this.chart.setData(data);
    }
  }

  options(width) {
    const { seconds } = this.recording;
    const ink = () => getComputedStyle(this.place).color;
    const faint = () => getComputedStyle(this.place).getPropertyValue("--line");
    const axis = { stroke: ink, font: FONT, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint, width: 1 } };
    const moments = (_, values) => values.map((value) => timeText(value, seconds < 5 ? 1 : 0));
    const shares = (_, values) => values.map(percent);
    return {
      width,
      height: HEIGHT,
      padding: [8, this.sides.right, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [0, seconds] }, y: { range: [0, 1] } },
      axes: [
        { ...axis, size: 30, incrs: STEPS, space: BETWEEN_MOMENTS, values: moments },
        { ...axis, size: () => this.sides.left, incrs: [0.25, 0.5], values: shares },
      ],
      series: [{}, ...this.colours.map((stroke) => ({ stroke, width: 1.5, points: { show: false } }))],
    };
  }
}
