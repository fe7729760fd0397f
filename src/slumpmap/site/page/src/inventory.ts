// The inventory in memory: columns by name, classes counted, rows filtered and sorted.
import type { Bounds, Campaign, Column, SheetEntry, Value } from "./types";

export interface Filters {
  text: string;
  ranges: Record<string, [number | null, number | null]>;
  classes: Record<string, string[]>;
}
export const NO_FILTERS: Filters = { text: "", ranges: {}, classes: {} };
export const UNKNOWN = "not known";

// Offered where the inventory has the column: classes first, then ranges.
export const FILTERED_CLASSES = ["probability", "initiation", "iteration_found", "near_road", "near_stream", "aspect_class", "vegetation", "soil"];
export const FILTERED_RANGES = ["area_ha", "elevation_mean", "slope_mean"];

// Colour-blind safe (Okabe and Ito); the ordered ones go from dark to bright.
const CLASSES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#4d4d4d"];
const ORDERED = ["#4b1d85", "#7b2382", "#b5367a", "#e75263", "#fb8861", "#fec287"];
const FIXED: Record<string, Record<string, string>> = {
  probability: { high: "#c8401f", medium: "#e69f00", low: "#3b8fc4" },
  near_road: { yes: "#d55e00", no: "#0072b2" },
  near_stream: { yes: "#0072b2", no: "#d55e00" },
};
export const NO_COLOUR = "#8a8a8a";

export class Inventory {
  readonly columns: Column[];
  readonly count: number;
  private readonly places: Map<string, number>;
  private readonly rowOf: Map<string, number>;
  private readonly sheets: Map<string, SheetEntry>;

  constructor(readonly data: Campaign) {
    const { columns, rows } = data.slumps;
    this.columns = columns;
    this.count = rows.length;
    this.places = new Map(columns.map(({ name }, place) => [name, place]));
    this.rowOf = new Map(rows.map((_, row) => [this.id(row), row]));
    this.sheets = new Map((data.sheets?.sheets ?? []).map((sheet) => [sheet.id, sheet]));
  }

  has(name: string): boolean {
    return this.places.has(name);
  }

  column(name: string): Column {
    return this.columns[this.places.get(name) as number];
  }

  value(row: number, name: string): Value {
    const place = this.places.get(name);
    return place === undefined ? null : this.data.slumps.rows[row][place];
  }

  id(row: number): string {
    return String(this.value(row, "id"));
  }

  find(id: string): number | null {
    return this.rowOf.get(id) ?? null;
  }

  sheet(row: number): SheetEntry | null {
    return this.sheets.get(this.id(row)) ?? null;
  }

  // The class of a row in a column of classes or flags.
  classOf(row: number, name: string): string {
    const value = this.value(row, name);
    return value === null ? UNKNOWN : value === true ? "yes" : value === false ? "no" : String(value);
  }

  classes(name: string): string[] {
    const column = this.column(name);
    const known = column.kind === "flag" ? ["yes", "no"] : (column.values ?? []);
    const all = this.data.slumps.rows.some((_, row) => this.value(row, name) === null) ? [...known, UNKNOWN] : known;
    return all;
  }

  colour(name: string, value: string): string {
    if (value === UNKNOWN) return NO_COLOUR;
    const fixed = FIXED[name]?.[value];
    if (fixed) return fixed;
    const values = this.classes(name).filter((one) => one !== UNKNOWN);
    const at = values.indexOf(value);
    if (name !== "initiation" && name !== "iteration_found") return CLASSES[at % CLASSES.length];
    return ORDERED[values.length < 2 ? 2 : Math.round((at / (values.length - 1)) * (ORDERED.length - 1))];
  }

  shown(filters: Filters, except = ""): number[] {
    const text = filters.text.trim().toLowerCase();
    const classes = Object.entries(filters.classes).filter(([name, wanted]) => wanted.length > 0 && name !== except);
    const ranges = Object.entries(filters.ranges).filter(([name, [low, high]]) => name !== except && (low !== null || high !== null));
    const rows: number[] = [];
    for (let row = 0; row < this.count; row++) {
      if (text && !this.id(row).toLowerCase().includes(text)) continue;
      if (!classes.every(([name, wanted]) => wanted.includes(this.classOf(row, name)))) continue;
      // What is not known is in no range.
      const inside = ranges.every(([name, [low, high]]) => {
        const value = this.value(row, name);
        return typeof value === "number" && (low === null || value >= low) && (high === null || value <= high);
      });
      if (inside) rows.push(row);
    }
    return rows;
  }

  counts(rows: number[], name: string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const row of rows) {
      const value = this.classOf(row, name);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    return counts;
  }

  // Unknown values last, whichever way it is sorted.
  sorted(rows: number[], name: string, descending: boolean): number[] {
    const order = new Map((this.column(name).values ?? []).map((value, at) => [value, at]));
    const key = (row: number): Value => {
      const value = this.value(row, name);
      return order.has(String(value)) ? (order.get(String(value)) as number) : value;
    };
    const sign = descending ? -1 : 1;
    return [...rows].sort((first, second) => {
      const [a, b] = [key(first), key(second)];
      if (a === null || b === null) return a === b ? first - second : a === null ? 1 : -1;
      const way = typeof a === "string" ? a.localeCompare(String(b), "en", { numeric: true }) : Number(a) - Number(b);
      return sign * way || first - second;
    });
  }

  numbers(name: string, rows?: number[]): number[] {
    const all = rows ?? [...this.data.slumps.rows.keys()];
    return all.map((row) => this.value(row, name)).filter((value): value is number => typeof value === "number");
  }

  area(rows: number[]): number {
    return this.numbers("area_ha", rows).reduce((sum, area) => sum + area, 0);
  }

  // Outline in metres: polygons, their rings, points.
  outline(row: number): [number, number][][][] {
    const [x0, y0] = this.data.slumps.origin;
    return this.data.slumps.shapes[row].map((rings) =>
      rings.map((flat) => {
        const points: [number, number][] = [];
        for (let at = 0; at < flat.length; at += 2) points.push([x0 + flat[at] / 10, y0 + flat[at + 1] / 10]);
        return points;
      }),
    );
  }

  bounds(row: number): Bounds {
    const points = this.outline(row).flat(2);
    const [x, y] = [points.map((point) => point[0]), points.map((point) => point[1])];
    return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
  }
}
