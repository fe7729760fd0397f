// The map: relief or images, roads and streams, and the slumps as circles by area from afar and as outlines near by.
import OlMap from "ol/Map";
import View from "ol/View";
import { defaults as controls } from "ol/control/defaults";
import ScaleLine from "ol/control/ScaleLine";
import Feature from "ol/Feature";
import LineString from "ol/geom/LineString";
import MultiLineString from "ol/geom/MultiLineString";
import MultiPolygon from "ol/geom/MultiPolygon";
import Point from "ol/geom/Point";
import ImageLayer from "ol/layer/Image";
import VectorLayer from "ol/layer/Vector";
import Projection from "ol/proj/Projection";
import ImageStatic from "ol/source/ImageStatic";
import VectorSource from "ol/source/Vector";
import { Circle, Fill, Stroke, Style } from "ol/style";
import { address } from "./format";
import type { Inventory } from "./inventory";
import type { Bounds, Picture } from "./types";

// Map coordinates are those of the campaign's CRS, metres; nothing is ever transformed.
const PLANE = new Projection({ code: "campaign", units: "m" });
// A slump narrower than this is a circle, pixels.
const SMALL_PX = 16;
// The largest circle, and how far beside a slump a click still means it, pixels.
const LARGEST_PX = 13;
const SPARE_PX = 4;
const LINE_STYLES: Record<string, Style[]> = {
  roads: [new Style({ stroke: new Stroke({ color: "rgba(255,255,255,.85)", width: 3.4 }) }), new Style({ stroke: new Stroke({ color: "#4b4b4b", width: 1.4 }) })],
  streams: [new Style({ stroke: new Stroke({ color: "rgba(46,117,170,.75)", width: 1.1 }) })],
};

export type Base = "relief" | "image" | "none";

export class SlumpMap {
  readonly map: OlMap;
  private readonly bases = new Map<Base, ImageLayer<ImageStatic>>();
  private readonly lines = new Map<string, VectorLayer>();
  private readonly features: Feature<MultiPolygon>[];
  private readonly slumps: VectorLayer;
  private readonly chosen: VectorLayer;
  private readonly styles = new Map<string, Style | Style[]>();
  private visible = new Set<number>();
  private colours: string[] = [];
  private selected: number | null = null;
  private readonly extent: Bounds;

  constructor(
    target: HTMLElement,
    private readonly inventory: Inventory,
    onPick: (row: number | null) => void,
    onHover: (row: number | null, pixel: number[]) => void,
  ) {
    const { ground } = inventory.data;
    this.features = Array.from({ length: inventory.count }, (_, row) => {
      const feature = new Feature(new MultiPolygon(inventory.outline(row)));
      feature.setId(row);
      return feature;
    });
    const source = new VectorSource({ features: this.features });
    // Without ground the map shows where the slumps are; without slumps, too, anything.
    const around = source.getExtent() as Bounds;
    this.extent = ground?.bounds ?? (inventory.count ? grown(around, 0.05) : [0, 0, 1000, 1000]);
    for (const name of ["relief", "image"] as const) {
      const picture = ground?.pictures[name];
      if (picture) this.bases.set(name, this.picture(picture, name));
    }
    for (const [name, parts] of Object.entries(ground?.lines ?? {})) this.lines.set(name, this.lineLayer(name, parts));
    this.slumps = new VectorLayer({
      source,
      style: (feature, resolution) => this.style(feature.getId() as number, resolution),
      // Large ones below, so that small ones can be clicked.
      renderOrder: (a, b) => this.size(b.getId() as number) - this.size(a.getId() as number),
      renderBuffer: 60,
    });
    this.chosen = new VectorLayer({ source: new VectorSource(), style: (feature, resolution) => this.ringed(feature.getId() as number, resolution) });
    this.map = new OlMap({
      target,
      view: new View({ projection: PLANE, extent: grown(this.extent, 0.35), showFullExtent: true, minResolution: 0.4, constrainRotation: true, enableRotation: false }),
      layers: [...this.bases.values(), ...[...this.lines.values()].reverse(), this.outline(ground?.area ?? []), this.slumps, this.chosen],
      controls: controls({ attribution: false, rotate: false, zoomOptions: { zoomInTipLabel: "Zoom in (+)", zoomOutTipLabel: "Zoom out (-)" } }).extend([new ScaleLine({ minWidth: 80 })]),
    });
    this.map.on("click", (event) => onPick(this.at(event.coordinate)));
    this.map.on("pointermove", (event) => {
      if (event.dragging) return;
      const row = this.at(event.coordinate);
      target.style.cursor = row === null ? "" : "pointer";
      onHover(row, event.pixel);
    });
    target.addEventListener("pointerleave", () => onHover(null, [0, 0]));
    let sized = false;
    new ResizeObserver(() => {
      if (!sized && target.clientWidth) {
        sized = true;
        this.map.updateSize();
        if (this.selected === null) this.fitAll();
        else this.goTo(this.selected, false);
      }
    }).observe(target);
  }

  show(rows: number[], colours: string[]): void {
    this.visible = new Set(rows);
    this.colours = colours;
    this.slumps.changed();
  }

  base(name: Base): void {
    this.bases.forEach((layer, key) => layer.setVisible(key === name));
  }

  line(name: string, visible: boolean): void {
    this.lines.get(name)?.setVisible(visible);
  }

  select(row: number | null): void {
    this.selected = row;
    const source = this.chosen.getSource() as VectorSource;
    source.clear(true);
    if (row !== null) source.addFeature(this.features[row]);
    this.chosen.changed();
  }

  // Brings a slump into sight; nearer than now only where it would be a dot.
  goTo(row: number, gently = true): void {
    const view = this.map.getView();
    const size = this.map.getSize();
    if (!size || !size[0]) return;
    const extent = (this.features[row].getGeometry() as MultiPolygon).getExtent() as Bounds;
    const near = (4 * Math.max(extent[2] - extent[0], extent[3] - extent[1])) / Math.min(size[0], size[1]);
    const resolution = Math.min(view.getResolution() ?? Infinity, Math.max(near, 1.5));
    const centre = [(extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2];
    const still = !gently || matchMedia("(prefers-reduced-motion: reduce)").matches;
    view.cancelAnimations();
    if (still) {
      view.setCenter(centre);
      view.setResolution(resolution);
    } else view.animate({ center: centre, resolution, duration: 350 });
  }

  fitAll(): void {
    this.map.getView().fit(this.extent, { padding: [14, 14, 14, 14] });
  }

  // The slump at a place, the smallest where several are; as it is drawn, with some pixels to spare. Asking the index of
  // outlines is quicker than reading the canvas back.
  private at([x, y]: number[]): number | null {
    const resolution = this.map.getView().getResolution() as number;
    const reach = (LARGEST_PX + SPARE_PX) * resolution;
    const near = (this.slumps.getSource() as VectorSource<Feature<MultiPolygon>>).getFeaturesInExtent([x - reach, y - reach, x + reach, y + reach]);
    const hit = near
      .map((feature) => feature.getId() as number)
      .filter((row) => this.visible.has(row) && this.distance(row, [x, y], resolution) <= SPARE_PX * resolution)
      .sort((a, b) => this.size(a) - this.size(b));
    return hit[0] ?? null;
  }

  // From a place to a slump as it is drawn, metres.
  private distance(row: number, place: number[], resolution: number): number {
    const geometry = this.features[row].getGeometry() as MultiPolygon;
    if (!this.isSmall(row, resolution) && geometry.intersectsCoordinate(place)) return 0;
    const [x, y] = this.isSmall(row, resolution) ? this.centre(row).getCoordinates() : geometry.getClosestPoint(place);
    return Math.hypot(x - place[0], y - place[1]) - (this.isSmall(row, resolution) ? this.radius(row) * resolution : 0);
  }

  private size(row: number): number {
    return Number(this.inventory.value(row, "area_ha") ?? 0);
  }

  private isSmall(row: number, resolution: number): boolean {
    return Math.sqrt(this.size(row) * 1e4) / resolution < SMALL_PX;
  }

  private radius(row: number): number {
    return Math.min(2.6 + 1.9 * Math.sqrt(this.size(row)), LARGEST_PX);
  }

  private centre(row: number): Point {
    const [west, south, east, north] = (this.features[row].getGeometry() as MultiPolygon).getExtent();
    return new Point([(west + east) / 2, (south + north) / 2]);
  }

  private style(row: number, resolution: number): Style | Style[] | undefined {
    if (!this.visible.has(row)) return undefined;
    const colour = this.colours[row];
    if (!this.isSmall(row, resolution)) return this.cached(`outline ${colour}`, () => [
      new Style({ stroke: new Stroke({ color: "rgba(255,255,255,.9)", width: 4 }) }),
      new Style({ stroke: new Stroke({ color: colour, width: 2.2 }), fill: new Fill({ color: `${colour}22` }) }),
    ]);
    const radius = Math.round(2 * this.radius(row)) / 2;
    const image = this.cached(`circle ${colour} ${radius}`, () => new Style({
      image: new Circle({ radius, fill: new Fill({ color: `${colour}d8` }), stroke: new Stroke({ color: "#fff", width: 1.1 }) }),
    })) as Style;
    const own = this.cached(`at ${row} ${colour}`, () => {
      const placed = image.clone();
      placed.setGeometry(this.centre(row));
      return placed;
    });
    return own;
  }

  private cached(key: string, make: () => Style | Style[]): Style | Style[] {
    let style = this.styles.get(key);
    if (!style) this.styles.set(key, (style = make()));
    return style;
  }

  private ringed(row: number, resolution: number): Style[] {
    const mark = (color: string, width: number): Style =>
      this.isSmall(row, resolution)
        ? new Style({ geometry: this.centre(row), image: new Circle({ radius: this.radius(row) + 5, stroke: new Stroke({ color, width }) }) })
        : new Style({ stroke: new Stroke({ color, width }) });
    return [mark("rgba(0,0,0,.75)", 5.5), mark("#ffd34d", 2.8)];
  }

  private picture({ file, bounds }: Picture, name: string): ImageLayer<ImageStatic> {
    const source = new ImageStatic({ url: address(`ground/${file}`), imageExtent: bounds, projection: PLANE });
    return new ImageLayer({ source, className: `ground ${name}` });
  }

  private lineLayer(name: string, parts: number[][]): VectorLayer {
    const feature = new Feature(new MultiLineString(parts.map((flat) => new LineString(flat, "XY"))));
    return new VectorLayer({ source: new VectorSource({ features: [feature] }), style: LINE_STYLES[name] });
  }

  private outline(rings: number[][]): VectorLayer {
    const feature = new Feature(new MultiLineString(rings.map((flat) => new LineString(flat, "XY"))));
    const style = new Style({ stroke: new Stroke({ color: "rgba(90,90,90,.8)", width: 1.2, lineDash: [6, 5] }) });
    return new VectorLayer({ source: new VectorSource({ features: [feature] }), style });
  }
}

function grown([west, south, east, north]: Bounds, share: number): Bounds {
  const [dx, dy] = [share * (east - west), share * (north - south)];
  return [west - dx, south - dy, east + dx, north + dy];
}
