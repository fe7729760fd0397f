// What site/data.js holds; slumpmap/site/build.py writes it.
export type Value = string | number | boolean | null;
export type Bounds = [number, number, number, number];

export interface Column {
  name: string;
  label: string;
  kind: "number" | "class" | "flag" | "text";
  unit: string;
  digits: number;
  group: string;
  values?: string[];
}

export interface Slumps {
  columns: Column[];
  absent: string[];
  rows: Value[][];
  origin: [number, number];
  shapes: number[][][][];
}

export interface Picture {
  file: string;
  bounds: Bounds;
  pixel_m: number;
}

export interface Ground {
  bounds: Bounds;
  pictures: { relief?: Picture; image?: Picture };
  lines: Record<string, number[][]>;
  area: number[][];
}

export interface SheetEntry {
  id: string;
  file: string;
  bounds: Bounds;
  frames: { year: number; state: "seen" | "partly" | "missing" }[];
}

export interface IterationRow {
  iteration: number;
  positives: number;
  negatives: number;
  inferred: number;
  inspected: number;
  new: number;
  total: number;
  yield_percent: number | null;
  recall: number | null;
  precision: number | null;
  state: string;
}

export interface Summary {
  recall: number | null;
  precision: number | null;
  inspected_per_new: number | null;
  iterations: IterationRow[];
  slumps: number;
  area_ha: number;
}

export interface Figure {
  section: string;
  title: string;
  name: string;
  png: string;
  pdf: string | null;
}

export interface Table {
  title: string;
  file: string;
  header: string[];
  rows: string[][];
  left_out: number;
}

export interface Study {
  study: string;
  words: string | null;
  figures: Figure[];
  tables: Table[];
}

export interface Capture {
  first: number;
  second: number;
  both: number;
  missed: number;
  missed_low: number;
  missed_high: number | null;
}

export interface Missing {
  figures: {
    reviewers: (Capture & { first_name: string; second_name: string })[];
    model: Capture | null;
    crossval: (Capture & { found_since: number }) | null;
    next: { mean: number; low: number; high: number; inspected: number } | null;
    advice?: string;
  };
  words: string;
}

export interface Step {
  step: string;
  jobs: number;
  minutes: number;
  cpu_min: number | null;
  peak_gb: number | null;
  read_gb: number | null;
  written_gb: number | null;
}

export interface Jobs {
  wall_min: number;
  jobs_min: number;
  jobs: number;
  peak_gb: number;
  read_gb: number | null;
  written_gb: number | null;
  steps: Step[];
}

export interface ReviewRate {
  iteration: number;
  reviewer: string;
  decided: number;
  timed: number;
  hours: number | null;
  per_hour: number | null;
}

export interface Provenance {
  config: { key: string; value: string; changed: boolean }[];
  inputs: { key: string; path: string; bytes: number | null; sha256: string | null }[];
  models: {
    iteration: number;
    network: string;
    architecture: string | null;
    encoder: string | null;
    steps: number | null;
    seed: number | null;
    weights: string | null;
    training_set: string | null;
    versions: Record<string, string>;
  }[];
  scenes: { used: { scene: string; day: string; cloud: number | null }[]; left_out: Record<string, number> } | null;
  software: {
    slumpmap: string;
    python: string;
    packages: Record<string, string>;
    git: { commit: string; changed: boolean } | null;
  };
}

export interface Campaign {
  campaign: string;
  synthetic: boolean;
  maps: boolean;
  crs: string;
  area_km2: number;
  resolution_m: number;
  years: number[];
  mapping_year: number;
  near_road_m: number;
  adjacent_m: number;
  simulated: boolean;
  status: string;
  slumps: Slumps;
  summary: Summary | null;
  ground: Ground | null;
  sheets: { years: number[]; sheets: SheetEntry[] } | null;
  missing: Missing | null;
  figures: Figure[];
  analysis: Study[];
  cost: { jobs: Jobs | null; review: ReviewRate[] };
  provenance: Provenance;
  downloads: { title: string; file: string; bytes: number }[];
  absent: string[];
}

declare global {
  interface Window {
    slumpmap?: Campaign;
  }
}
