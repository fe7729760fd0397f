// Drawing on a view: the boundary with its corners, cuts, unions, the headwall; each step can be taken back.
import Feature from "ol/Feature";
import Draw from "ol/interaction/Draw";
import Modify from "ol/interaction/Modify";
import Snap from "ol/interaction/Snap";
import VectorLayer from "ol/layer/Vector";
import VectorSource from "ol/source/Vector";
import { Circle, Fill, Stroke, Style } from "ol/style";
import type Interaction from "ol/interaction/Interaction";
import type OlGeometry from "ol/geom/Geometry";
import MultiPoint from "ol/geom/MultiPoint";
import MultiPolygon from "ol/geom/MultiPolygon";
import type Polygon from "ol/geom/Polygon";
import { unByKey } from "ol/Observable";
import { api, Refusal } from "./api";
import type { Edited, Geometry } from "./types";
import { asGeoJSON, asGeometry, COLOURS, type Viewer } from "./viewer";

export type Tool = "corners" | "redraw" | "split" | "headwall" | "merge";
interface Step {
  boundary: Geometry;
  headwall: Geometry | null;
}

const corner = new Style({
  image: new Circle({ radius: 4, fill: new Fill({ color: "#fff" }), stroke: new Stroke({ color: "#00354d", width: 1.5 }) }),
  geometry: (feature) => {
    const shape = feature.getGeometry() as Polygon | MultiPolygon;
    const rings = shape instanceof MultiPolygon ? shape.getCoordinates().flat() : shape.getCoordinates();
    return new MultiPoint(rings.flat());
  },
});
const boundaryStyle = [
  new Style({ stroke: new Stroke({ color: "rgba(0,0,0,0.65)", width: 4 }), fill: new Fill({ color: "rgba(76,195,255,0.08)" }) }),
  new Style({ stroke: new Stroke({ color: COLOURS.drawn, width: 2 }) }),
  corner,
];
const headwallStyle = new Style({ stroke: new Stroke({ color: COLOURS.headwall, width: 3 }) });

export class Editor {
  tool: Tool = "corners";
  facts: Edited | null = null;
  message = "";
  private steps: Step[] = [];
  private readonly source = new VectorSource();
  private readonly layer = new VectorLayer({ source: this.source });
  private running: Interaction[] = [];
  private asked = 0;
  private closed = false;
  private unlisten: () => void = () => undefined;

  constructor(
    private readonly viewer: Viewer,
    private readonly item: number,
    boundary: Geometry,
    headwall: Geometry | null,
    private readonly changed: () => void,
  ) {
    viewer.map.addLayer(this.layer);
    this.steps = [{ boundary, headwall }];
    this.redrawn();
  }

  get now(): Step {
    return this.steps[this.steps.length - 1];
  }

  get canUndo(): boolean {
    return this.steps.length > 1;
  }

  undo(): void {
    if (!this.canUndo) return;
    this.steps.pop();
    this.redrawn();
  }

  close(): void {
    this.closed = true;
    this.stop();
    this.viewer.map.removeLayer(this.layer);
  }

  // An answer of the server may come when the editor is closed already: nobody wants to hear of it.
  private tell(): void {
    if (!this.closed) this.changed();
  }

  use(tool: Tool): void {
    if (this.closed) return;
    this.tool = tool;
    this.message = "";
    this.listen();
    this.tell();
  }

  dropHeadwall(): void {
    this.step({ ...this.now, headwall: null });
  }

  // An edit that the server carries out.
  async ask(operation: "simplify" | "repair" | "split" | "merge", line?: Geometry, other?: string): Promise<void> {
    try {
      const edited = await api.geometry(this.item, operation, this.now.boundary, line, other);
      this.message = "";
      this.step({ ...this.now, boundary: edited.boundary });
    } catch (error) {
      this.message = error instanceof Refusal ? error.message : String(error);
      this.redrawn();
    }
    this.use("corners");
  }

  private step(step: Step): void {
    if (this.closed) return;
    this.steps.push(step);
    this.redrawn();
  }

  private redrawn(): void {
    if (this.closed) return;
    this.source.clear(true);
    const boundary = new Feature(asGeometry(this.now.boundary));
    boundary.setStyle(boundaryStyle);
    this.source.addFeature(boundary);
    if (this.now.headwall) {
      const headwall = new Feature(asGeometry(this.now.headwall));
      headwall.setStyle(headwallStyle);
      this.source.addFeature(headwall);
    }
    this.listen();
    void this.check();
    this.tell();
  }

  private async check(): Promise<void> {
    const asked = ++this.asked;
    try {
      const facts = await api.geometry(this.item, "check", this.now.boundary);
      // An answer about an older shape says nothing.
      if (asked === this.asked) this.facts = facts;
    } catch (error) {
      if (asked === this.asked) this.message = error instanceof Error ? error.message : String(error);
    }
    this.tell();
  }

  private stop(): void {
    this.running.forEach((interaction) => this.viewer.map.removeInteraction(interaction));
    this.running = [];
    this.unlisten();
  }

  private listen(): void {
    this.stop();
    const add = (interaction: Interaction) => {
      this.viewer.map.addInteraction(interaction);
      this.running.push(interaction);
    };
    if (this.tool === "corners") {
      const modify = new Modify({ source: this.source, pixelTolerance: 12 });
      modify.on("modifyend", () => this.modified());
      add(modify);
    } else if (this.tool === "redraw") {
      add(this.drawing("Polygon", (shape) => this.step({ ...this.now, boundary: asGeoJSON(shape) })));
    } else if (this.tool === "split") {
      add(this.drawing("LineString", (shape) => void this.ask("split", asGeoJSON(shape))));
    } else if (this.tool === "headwall") {
      add(this.drawing("LineString", (shape) => this.step({ ...this.now, headwall: asGeoJSON(shape) }), true));
    }
    if (this.tool === "merge") this.listenForNeighbour();
    else add(new Snap({ source: this.source }));
  }

  private listenForNeighbour(): void {
    const key = this.viewer.map.on("singleclick", (event) => {
      const hit = this.viewer.map.forEachFeatureAtPixel(event.pixel, (feature) => feature, {
        layerFilter: (layer) => layer === this.viewer.aroundLayer,
      });
      if (hit && hit.get("kind") !== "rejected") void this.ask("merge", undefined, String(hit.getId()));
    });
    this.unlisten = () => unByKey(key);
  }

  private drawing(type: "Polygon" | "LineString", done: (shape: OlGeometry) => void, freehand = false): Draw {
    const draw = new Draw({ source: new VectorSource(), type, freehand });
    draw.on("drawend", (event) => {
      const shape = event.feature.getGeometry() as OlGeometry;
      // A hand's line has hundreds of points; a third of a pixel is more than it knows.
      this.tool = "corners";
      done(freehand ? (shape.simplify(1) as OlGeometry) : shape);
    });
    return draw;
  }

  private modified(): void {
    const shapes = this.source.getFeatures().map((feature) => feature.getGeometry() as OlGeometry);
    const boundary = shapes.find((shape) => shape.getType() !== "LineString") as OlGeometry;
    const headwall = shapes.find((shape) => shape.getType() === "LineString");
    this.step({ boundary: asGeoJSON(boundary), headwall: headwall ? asGeoJSON(headwall) : null });
  }
}
