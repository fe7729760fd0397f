// Drawing on a view: the boundary with its corners, cuts, unions, the headwall; each step can be taken back.
import Feature, { type FeatureLike } from "ol/Feature";
import GeoPoint from "ol/geom/Point";
import MultiPoint from "ol/geom/MultiPoint";
import type OlGeometry from "ol/geom/Geometry";
import type Polygon from "ol/geom/Polygon";
import type LineString from "ol/geom/LineString";
import Draw from "ol/interaction/Draw";
import type Interaction from "ol/interaction/Interaction";
import Modify from "ol/interaction/Modify";
import Snap from "ol/interaction/Snap";
import VectorLayer from "ol/layer/Vector";
import { unByKey } from "ol/Observable";
import VectorSource from "ol/source/Vector";
import { Circle, Fill, RegularShape, Stroke, Style } from "ol/style";
import type { Pixel } from "ol/pixel";
import { api, Refusal } from "./api";
import { addedCorner, areaOf, boundaryOf, cornersOf, crossingOf, movedCorner, partsOf, pointOf, withoutCorner, type Corner, type Part } from "./rings";
import type { Edited, Geometry, Point } from "./types";
import { asGeoJSON, asGeometry, COLOURS, type Viewer } from "./viewer";

export type Tool = "corners" | "redraw" | "split" | "merge" | "drop" | "headwall";
interface Step {
  boundary: Geometry;
  headwall: Geometry | null;
  // Steps of one name that follow each other are taken back together.
  name?: string;
}
export interface Drawn {
  // What the reviewer has drawn before; null: nothing.
  boundary: Geometry | null;
  headwall: Geometry | null;
}
export interface Place {
  outline: Geometry;
  resolution: number;
  neighbours: { id: string; geometry: Geometry }[];
}

const NEAR_PX = 12;
const HECTARE = 10_000;

const casing = new Style({ stroke: new Stroke({ color: "rgba(0,0,0,0.65)", width: 4 }), fill: new Fill({ color: "rgba(255,255,255,0.06)" }) });
const edge = new Style({ stroke: new Stroke({ color: COLOURS.outline, width: 2 }) });
const corners = new Style({
  image: new Circle({ radius: 4, fill: new Fill({ color: "#fff" }), stroke: new Stroke({ color: "#00354d", width: 1.5 }) }),
  geometry: (feature) => new MultiPoint((feature.getGeometry() as Polygon).getCoordinates().flat()),
});
const PART = [casing, edge, corners];
const CHOSEN_PART = [casing, new Style({ stroke: new Stroke({ color: COLOURS.chosen, width: 4 }), fill: new Fill({ color: "rgba(255,176,0,0.25)" }) })];
const HEADWALL = [
  new Style({ stroke: new Stroke({ color: "rgba(0,0,0,0.65)", width: 6 }) }),
  new Style({ stroke: new Stroke({ color: COLOURS.headwall, width: 3 }) }),
];
const CHOSEN_CORNER = new Style({
  image: new Circle({ radius: 7, fill: new Fill({ color: COLOURS.chosen }), stroke: new Stroke({ color: "#000", width: 2 }) }),
});
const cross = (color: string, width: number) =>
  new Style({ image: new RegularShape({ points: 4, radius: 13, radius2: 0, angle: Math.PI / 4, stroke: new Stroke({ color, width }) }) });
const CROSSING = [cross("#000", 6), cross(COLOURS.chosen, 3)];
const SKETCH = [
  new Style({ stroke: new Stroke({ color: "rgba(0,0,0,0.65)", width: 4 }), fill: new Fill({ color: "rgba(255,255,255,0.06)" }) }),
  new Style({
    stroke: new Stroke({ color: "#fff", width: 2, lineDash: [6, 5] }),
    image: new Circle({ radius: 4, fill: new Fill({ color: "#fff" }), stroke: new Stroke({ color: "#000", width: 1.5 }) }),
  }),
];

export class Editor {
  tool: Tool = "corners";
  message = "";
  private steps: Step[];
  private at = 0;
  // What the server said of the boundary that it was asked about.
  private checked: { boundary: Geometry; facts: Edited } | null = null;
  // The boundary before the reviewer's first own step: as it was, or without the stairs of its pixels.
  private untouched: Geometry;
  // The shape under the mouse, while a corner is dragged or a boundary drawn.
  private live: Part[] | null = null;
  // Whether something was asked of the server, after which a smoothed boundary comes too late.
  private asked = false;
  private corner: Corner | null = null;
  private chosen = 0;
  private drawing: Draw | null = null;
  private freehand = false;
  private pointer: Pixel | null = null;
  private readonly source = new VectorSource();
  private readonly marks = new VectorSource();
  private readonly layers = [this.source, this.marks].map((source) => new VectorLayer({ source }));
  private running: Interaction[] = [];
  private closed = false;
  private readonly listening;

  constructor(
    private readonly viewer: Viewer,
    private readonly item: number,
    private readonly place: Place,
    private readonly before: Drawn,
    private readonly changed: () => void,
  ) {
    const { map } = viewer;
    this.layers.forEach((layer) => map.addLayer(layer));
    this.untouched = before.boundary ?? place.outline;
    this.steps = [{ boundary: this.untouched, headwall: before.headwall }];
    this.listening = [
      map.on("pointermove", (event) => void (this.pointer = event.pixel)),
      map.on("click", (event) => this.clicked(event.pixel)),
    ];
    this.redrawn();
    // A traced outline follows the pixels: nobody wants to move stairs.
    if (!before.boundary) void this.smooth();
  }

  private get now(): Step {
    return this.steps[this.at];
  }

  // What is to be kept; null for a boundary that was not touched, which stays what it was.
  get drawn(): Drawn {
    const { boundary, headwall } = this.now;
    if (boundary === this.untouched) return { boundary: this.before.boundary, headwall };
    return { boundary: boundary === this.place.outline ? null : boundary, headwall };
  }

  get canUndo(): boolean {
    return this.at > 0;
  }

  get canRedo(): boolean {
    return this.at < this.steps.length - 1;
  }

  get hasHeadwall(): boolean {
    return this.now.headwall !== null;
  }

  get pieces(): number {
    return partsOf(this.now.boundary).length;
  }

  // Area, ha, of what is on the screen at this moment; the server's plane where it has measured this shape.
  get area(): number {
    if (!this.live && this.facts?.valid) return this.facts.area_ha;
    const measured = this.checked?.facts.valid ? this.checked : null;
    const scale = measured ? (measured.facts.area_ha * HECTARE) / areaOf(partsOf(measured.boundary)) : 1;
    return (areaOf(this.live ?? partsOf(this.now.boundary)) * scale) / HECTARE;
  }

  // Why the boundary cannot be kept, or null.
  get fault(): string | null {
    if (this.facts) return this.facts.valid ? null : this.facts.why;
    return crossingOf(partsOf(this.now.boundary)) ? "it crosses itself" : null;
  }

  private get facts(): Edited | null {
    return this.checked?.boundary === this.now.boundary ? this.checked.facts : null;
  }

  undo(): void {
    if (this.drawing && this.live) this.drawing.removeLastPoint();
    else this.go(-1);
  }

  redo(): void {
    this.go(1);
  }

  private go(by: number): void {
    if (!this.steps[this.at + by]) return;
    this.at += by;
    this.redrawn();
  }

  close(): void {
    this.closed = true;
    this.stop();
    this.listening.forEach((key) => unByKey(key));
    this.layers.forEach((layer) => this.viewer.map.removeLayer(layer));
  }

  // An answer of the server may come when the editor is closed already: nobody wants to hear of it.
  private tell(): void {
    if (!this.closed) this.changed();
  }

  use(tool: Tool): void {
    if (this.closed) return;
    this.tool = tool;
    this.message = "";
    this.chosen = 0;
    this.corner = null;
    this.listen();
    this.mark();
    this.tell();
  }

  // First what is being drawn, then the tool; false where nothing is left to be given up.
  escape(): boolean {
    if (this.live && this.drawing) {
      this.drawing.abortDrawing();
      this.live = null;
      this.tell();
      return true;
    }
    if (this.tool === "corners") return false;
    this.use("corners");
    return true;
  }

  // Ends the line, or takes what is chosen; false where nothing was waiting for that.
  enter(): boolean {
    if (this.live && this.drawing) this.drawing.finishDrawing();
    else if (this.tool === "merge") this.unite();
    else if (this.tool === "drop") this.drop();
    else return false;
    return true;
  }

  // The next corner, neighbour or piece, for work without a mouse.
  next(by: number): void {
    if (this.tool === "corners") {
      const all = cornersOf(partsOf(this.now.boundary));
      const { corner } = this;
      const number = corner ? all.findIndex((one) => one.part === corner.part && one.ring === corner.ring && one.corner === corner.corner) : by > 0 ? -1 : 0;
      this.corner = all[(number + by + all.length) % all.length];
    } else {
      const count = this.tool === "merge" ? this.place.neighbours.length : this.pieces;
      this.chosen = count ? (this.chosen + by + count) % count : 0;
    }
    this.mark();
    this.tell();
  }

  // Moves the chosen corner by pixels of the images.
  nudge(right: number, up: number): void {
    if (!this.corner) {
      this.next(1);
      return;
    }
    const by: Point = [right * this.place.resolution, up * this.place.resolution];
    const boundary = boundaryOf(movedCorner(partsOf(this.now.boundary), this.corner, by));
    const { part, ring, corner } = this.corner;
    this.step({ ...this.now, boundary, name: `move ${part} ${ring} ${corner}` });
  }

  addCorner(): void {
    if (!this.corner) return;
    const parts = addedCorner(partsOf(this.now.boundary), this.corner);
    this.corner = { ...this.corner, corner: this.corner.corner + 1 };
    this.step({ ...this.now, boundary: boundaryOf(parts), name: undefined });
  }

  // The chosen corner, else the one under the mouse.
  deleteCorner(): void {
    const corner = this.corner ?? (this.pointer && this.cornerAt(this.pointer));
    if (!corner) return;
    const parts = withoutCorner(partsOf(this.now.boundary), corner);
    this.corner = null;
    if (parts) this.step({ ...this.now, boundary: boundaryOf(parts), name: undefined });
    else this.say("Three corners are the least. Draw it anew, or drop the piece.");
  }

  dropHeadwall(): void {
    if (this.now.headwall) this.step({ ...this.now, headwall: null, name: undefined });
  }

  // Back to the candidate's own outline.
  original(): void {
    this.step({ ...this.now, boundary: this.place.outline, name: undefined });
  }

  private unite(): void {
    const neighbour = this.place.neighbours[this.chosen];
    if (neighbour) void this.ask("merge", undefined, neighbour.id);
  }

  private drop(): void {
    const parts = partsOf(this.now.boundary);
    if (parts.length < 2) {
      this.say("There is only one piece.");
      return;
    }
    this.finish({ boundary: boundaryOf(parts.filter((_, number) => number !== this.chosen)) });
  }

  private say(message: string): void {
    this.message = message;
    this.tell();
  }

  private async smooth(): Promise<void> {
    const { now } = this;
    const smooth = await api.geometry(this.item, "simplify", now.boundary).catch(() => null);
    if (!smooth || now !== this.now || this.live || this.asked) return;
    this.untouched = smooth.boundary;
    this.step({ ...now, boundary: smooth.boundary });
  }

  // An edit that the server carries out.
  async ask(operation: "simplify" | "repair" | "split" | "merge", line?: Geometry, other?: string): Promise<void> {
    const { now } = this;
    let message = "";
    this.asked = true;
    try {
      const { boundary } = await api.geometry(this.item, operation, now.boundary, line, other);
      // Whoever went on in the meantime has decided otherwise.
      if (now !== this.now) return;
      this.finish({ boundary });
    } catch (error) {
      message = error instanceof Refusal ? error.message : `${(error as Error).message} The boundary is as it was.`;
    }
    this.say(message);
  }

  private step(step: Step): void {
    if (this.closed) return;
    const again = step.name !== undefined && step.name === this.now.name;
    this.steps = [...this.steps.slice(0, again ? this.at : this.at + 1), step];
    this.at = this.steps.length - 1;
    this.message = "";
    this.redrawn();
  }

  private redrawn(): void {
    if (this.closed) return;
    this.live = null;
    this.chosen = 0;
    this.source.clear(true);
    partsOf(this.now.boundary).forEach((coordinates, part) => this.add(this.source, { type: "Polygon", coordinates }, PART).set("part", part));
    if (this.now.headwall) this.add(this.source, this.now.headwall, HEADWALL);
    this.source.getFeatures().forEach((feature) => feature.getGeometry()?.on("change", () => this.moved()));
    const { corner } = this;
    if (corner && !partsOf(this.now.boundary)[corner.part]?.[corner.ring]?.[corner.corner]) this.corner = null;
    this.listen();
    this.mark();
    void this.check();
    this.tell();
  }

  private add(source: VectorSource, geometry: Geometry, style: Style | Style[]): Feature {
    const feature = new Feature(asGeometry(geometry));
    feature.setStyle(style);
    source.addFeature(feature);
    return feature;
  }

  // What is chosen, and where the boundary crosses itself.
  private mark(): void {
    this.marks.clear(true);
    const parts = partsOf(this.now.boundary);
    const neighbour = this.place.neighbours[this.chosen];
    if (this.tool === "merge" && neighbour) this.add(this.marks, neighbour.geometry, CHOSEN_PART);
    if (this.tool === "drop") this.add(this.marks, { type: "Polygon", coordinates: parts[this.chosen] }, CHOSEN_PART);
    const point = (at: Point, style: Style | Style[]) => {
      const feature = new Feature(new GeoPoint(at));
      feature.setStyle(style);
      this.marks.addFeature(feature);
    };
    if (this.corner) point(pointOf(parts, this.corner), CHOSEN_CORNER);
    const crossing = this.facts?.self_crossing_at ?? crossingOf(parts);
    if (crossing) point(crossing, CROSSING);
  }

  private async check(): Promise<void> {
    const { boundary } = this.now;
    if (this.facts) return;
    try {
      const facts = await api.geometry(this.item, "check", boundary);
      // An answer about an older shape says nothing.
      if (boundary === this.now.boundary) this.checked = { boundary, facts };
    } catch (error) {
      if (boundary === this.now.boundary) this.message = (error as Error).message;
    }
    if (this.closed) return;
    this.mark();
    this.tell();
  }

  private stop(): void {
    this.running.forEach((interaction) => this.viewer.map.removeInteraction(interaction));
    this.running = [];
    this.drawing = null;
    this.live = null;
  }

  private listen(): void {
    this.stop();
    const run = (interaction: Interaction) => {
      this.viewer.map.addInteraction(interaction);
      this.running.push(interaction);
    };
    if (this.tool === "corners") {
      const modify = new Modify({ source: this.source, pixelTolerance: NEAR_PX });
      modify.on("modifyend", () => this.modified());
      run(modify);
    } else if (this.tool === "redraw") {
      run(this.draw("Polygon", (shape) => this.finish({ boundary: asGeoJSON(shape) })));
    } else if (this.tool === "split") {
      run(this.draw("LineString", (shape) => void this.ask("split", asGeoJSON(shape))));
    } else if (this.tool === "headwall") {
      run(this.draw("LineString", (shape) => this.finish({ headwall: asGeoJSON(shape) })));
    }
    if (this.tool === "corners" || this.drawing) run(new Snap({ source: this.source, pixelTolerance: NEAR_PX / 2 }));
  }

  private clicked(pixel: Pixel): void {
    if (this.tool === "corners") {
      this.corner = this.cornerAt(pixel);
    } else if (this.tool === "merge") {
      const hit = this.featureAt(pixel, (layer) => layer === this.viewer.aroundLayer);
      const chosen = this.place.neighbours.findIndex(({ id }) => id === hit?.getId());
      if (chosen >= 0) {
        this.chosen = chosen;
        this.unite();
      }
    } else if (this.tool === "drop") {
      const hit = this.featureAt(pixel, (layer) => layer === this.layers[0]);
      if (hit) {
        this.chosen = hit.get("part");
        this.drop();
      }
    }
    this.mark();
    this.tell();
  }

  private featureAt(pixel: Pixel, layerFilter: (layer: unknown) => boolean): FeatureLike | undefined {
    return this.viewer.map.forEachFeatureAtPixel(pixel, (feature) => feature, { layerFilter, hitTolerance: 4 });
  }

  private cornerAt([x, y]: Pixel): Corner | null {
    const parts = partsOf(this.now.boundary);
    const away = cornersOf(parts).map((corner) => {
      const [px, py] = this.viewer.map.getPixelFromCoordinate(pointOf(parts, corner));
      return { corner, distance: Math.hypot(px - x, py - y) };
    });
    const nearest = away.reduce((best, one) => (one.distance < best.distance ? one : best));
    return nearest.distance <= NEAR_PX ? nearest.corner : null;
  }

  private draw(type: "Polygon" | "LineString", done: (shape: OlGeometry) => void): Draw {
    this.freehand = false;
    const always = this.tool === "headwall";
    const draw = new Draw({
      source: new VectorSource(),
      type,
      style: SKETCH,
      // A headwall is drawn with one stroke, corners with clicks; Shift does the other.
      freehandCondition: ({ originalEvent }) => {
        const freehand = (originalEvent as PointerEvent).shiftKey !== always;
        this.freehand ||= freehand;
        return freehand;
      },
    });
    draw.on("drawstart", ({ feature }) => {
      this.live = [];
      const sketch = feature.getGeometry() as Polygon | LineString;
      sketch.on("change", () => {
        this.live = type === "Polygon" ? [sketch.getCoordinates() as Part] : partsOf(this.now.boundary);
        this.tell();
      });
    });
    draw.on("drawend", (event) => {
      const shape = event.feature.getGeometry() as OlGeometry;
      this.live = null;
      // A hand's line has hundreds of points; a third of a pixel is more than it knows.
      done(this.freehand ? (shape.simplify(this.place.resolution / 3) as OlGeometry) : shape);
    });
    this.drawing = draw;
    return draw;
  }

  // What a tool has done stands; the corners can be moved at once.
  private finish(drawn: Partial<Step>): void {
    this.tool = "corners";
    this.step({ ...this.now, ...drawn, name: undefined });
  }

  // The pieces as they are drawn now, in their order: the source keeps none.
  private parts(): Part[] {
    const pieces = this.source.getFeatures().filter((feature) => feature.get("part") !== undefined);
    pieces.sort((a, b) => a.get("part") - b.get("part"));
    return pieces.map((feature) => (feature.getGeometry() as Polygon).getCoordinates() as Part);
  }

  private moved(): void {
    this.live = this.parts();
    this.tell();
  }

  private modified(): void {
    const line = this.source.getFeatures().find((feature) => feature.get("part") === undefined)?.getGeometry();
    const boundary = boundaryOf(this.parts());
    // A boundary that was not touched stays the same: the headwall alone may have been moved.
    const same = JSON.stringify(partsOf(boundary)) === JSON.stringify(partsOf(this.now.boundary));
    this.corner = null;
    this.step({ boundary: same ? this.now.boundary : boundary, headwall: line ? asGeoJSON(line) : null });
  }
}
