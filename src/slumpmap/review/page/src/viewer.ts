// One view of the ground: the pictures of a candidate on their place, outlines over them.
import OlMap from "ol/Map";
import View from "ol/View";
import { defaults as controls } from "ol/control/defaults";
import ScaleLine from "ol/control/ScaleLine";
import Feature from "ol/Feature";
import GeoJSON from "ol/format/GeoJSON";
import { defaults as interactions } from "ol/interaction/defaults";
import ImageLayer from "ol/layer/Image";
import VectorLayer from "ol/layer/Vector";
import Projection from "ol/proj/Projection";
import ImageCanvasSource from "ol/source/ImageCanvas";
import VectorSource from "ol/source/Vector";
import { Fill, Stroke, Style } from "ol/style";
import type OlGeometry from "ol/geom/Geometry";
import type { Bounds, Geometry } from "./types";

// Map coordinates are those of the campaign's CRS, metres; nothing is ever transformed.
export const PLANE = new Projection({ code: "campaign", units: "m" });
const FORMAT = new GeoJSON({ dataProjection: PLANE, featureProjection: PLANE });

export const asGeometry = (geometry: Geometry): OlGeometry => FORMAT.readGeometry(geometry) as OlGeometry;
export const asGeoJSON = (geometry: OlGeometry): Geometry => FORMAT.writeGeometryObject(geometry) as Geometry;

const line = (color: string, width: number, dash?: number[]) =>
  new Style({ stroke: new Stroke({ color, width, lineDash: dash }), fill: new Fill({ color: "rgba(0,0,0,0.001)" }) });
// A dark line under each keeps it legible on bright and on dark ground.
const cased = (color: string, width: number, dash?: number[]) => [line("rgba(0,0,0,0.65)", width + 2), line(color, width, dash)];

// Blue stands out on brown ground and on green, and is told from orange by everybody.
export const COLOURS = { outline: "#5cd0ff", chosen: "#ffb000", headwall: "#ffe34d", opinions: ["#5cd0ff", "#ffb000", "#f2a6ff"] };
const STYLES = {
  outline: cased(COLOURS.outline, 2),
  headwall: cased(COLOURS.headwall, 3),
  known: [line("rgba(0,0,0,0.35)", 3), line("rgba(255,255,255,0.75)", 1.5)],
  rejected: [line("rgba(255,255,255,0.5)", 1.5, [2, 5])],
  candidate: [line("rgba(92,208,255,0.6)", 1.5, [6, 5])],
};
export type Kind = keyof typeof STYLES;

export interface Ground {
  bounds: Bounds;
  picture: ImageBitmap;
  // Less than 1 where the picture is of another date than the one that is looked at.
  opacity: number;
}

export const sharedView = (): View => new View({ projection: PLANE, center: [0, 0], resolution: 3, minResolution: 0.2, maxResolution: 60 });

export class Viewer {
  readonly map: OlMap;
  private grounds: Ground[] = [];
  private brightness = 1;
  private contrast = 1;
  private readonly pictures: ImageLayer<ImageCanvasSource>;
  private readonly source: ImageCanvasSource;
  private readonly around = new VectorSource();
  private readonly outlines = new VectorSource();
  readonly outlineLayer: VectorLayer;
  readonly aroundLayer: VectorLayer;

  constructor(target: HTMLElement, view: View) {
    this.source = new ImageCanvasSource({
      projection: PLANE,
      ratio: 1.3,
      canvasFunction: (extent, _resolution, _ratio, size) => this.draw(extent as Bounds, size as [number, number]),
    });
    this.pictures = new ImageLayer({ source: this.source });
    this.aroundLayer = new VectorLayer({ source: this.around });
    this.outlineLayer = new VectorLayer({ source: this.outlines });
    this.map = new OlMap({
      target,
      view,
      layers: [this.pictures, this.aroundLayer, this.outlineLayer],
      controls: controls({ attribution: false, rotate: false, zoom: false }).extend([new ScaleLine({ minWidth: 90 })]),
      // Keys belong to the page.
      interactions: interactions({ keyboard: false, altShiftDragRotate: false, pinchRotate: false }),
    });
    new ResizeObserver(() => this.map.updateSize()).observe(target);
  }

  // The grounds are drawn in order: the wide one first, the chip on it. Drawing takes longer than all else here, and
  // the page is drawn anew after each act: nothing is drawn again that is there already.
  show(grounds: Ground[]): void {
    const there = (ground: Ground, number: number) => {
      const before = this.grounds[number];
      return ground.picture === before.picture && ground.bounds === before.bounds && ground.opacity === before.opacity;
    };
    if (grounds.length === this.grounds.length && grounds.every(there)) return;
    this.grounds = grounds;
    this.source.changed();
  }

  light(brightness: number, contrast: number): void {
    if (brightness === this.brightness && contrast === this.contrast) return;
    this.brightness = brightness;
    this.contrast = contrast;
    this.source.changed();
  }

  setAround(places: { kind: Kind; geometry: Geometry; id?: string }[]): void {
    this.fill(this.around, places);
  }

  setOutlines(places: { kind: Kind; geometry: Geometry; colour?: string }[]): void {
    this.fill(this.outlines, places);
  }

  private fill(source: VectorSource, places: { kind: Kind; geometry: Geometry; id?: string; colour?: string }[]): void {
    source.clear(true);
    source.addFeatures(
      places.map(({ kind, geometry, id, colour }) => {
        const feature = new Feature(asGeometry(geometry));
        feature.setStyle(colour ? cased(colour, 2) : STYLES[kind]);
        if (id) feature.setId(id);
        feature.set("kind", kind);
        return feature;
      }),
    );
  }

  // Calls back when what was shown last is on the screen.
  painted(done: () => void): void {
    this.map.once("rendercomplete", () => requestAnimationFrame(() => done()));
    this.map.render();
  }

  private draw([west, south, east, north]: Bounds, [width, height]: [number, number]): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d") as CanvasRenderingContext2D;
    context.imageSmoothingQuality = "high";
    if (this.brightness !== 1 || this.contrast !== 1) context.filter = `brightness(${this.brightness}) contrast(${this.contrast})`;
    const [across, down] = [width / (east - west), height / (north - south)];
    this.grounds.forEach(({ bounds, picture, opacity }) => {
      const [left, bottom, right, top] = bounds;
      context.globalAlpha = opacity;
      context.drawImage(picture, (left - west) * across, (north - top) * down, (right - left) * across, (top - bottom) * down);
    });
    return canvas;
  }
}
