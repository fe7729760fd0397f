// What the server says and takes; docs/review.md describes the addresses.

export type Point = [number, number];
export type Bounds = [number, number, number, number];
export interface Geometry {
  type: "Polygon" | "MultiPolygon" | "LineString";
  coordinates: unknown;
}
export type Verdict = "slump" | "reject" | "unsure" | null;
export type Probability = "high" | "medium" | "low";

export interface Decision {
  verdict: Verdict;
  probability: Probability | null;
  criteria: Record<string, boolean | null>;
  initiation: string | null;
  reason: string | null;
  use_as_negative: boolean;
  note: string;
  boundary: Geometry | null;
  headwall: Geometry | null;
}

export interface Campaign {
  campaign: string;
  iteration: number;
  reviewer: string;
  role: "reviewer" | "adjudicator";
  reviewers: string[];
  initiation_groups: string[];
  reasons: { id: string; label: string }[];
  criteria: { id: string; label: string; hint: string }[];
  hide_score: boolean;
  mmu_ha: number;
  mapping_year: number;
}

export interface Row {
  item: number;
  order_value: number;
  order_place: number;
  area_ha: number;
  x: number;
  y: number;
  tile: string;
  verdict: Verdict;
  probability: Probability | null;
  version: number;
  seconds: number;
  score: number | null;
  flags: string[];
}

export interface Frame {
  label: string;
  date: string;
  source: string;
  state: "ok" | "partly" | "cloudy" | "missing";
  valid_share: number;
  dates: string[];
  url: string;
}

export interface Meta {
  id?: string;
  bounds: Bounds;
  size: number;
  resolution: number;
  frames: Frame[];
  mapping_frame: number;
  context: { bounds: Bounds; url: string };
  relief: { url: string; contour_m: number } | null;
  outline: Geometry;
  around: { kind: "known" | "rejected" | "candidate"; id: string; geometry: Geometry }[];
  area_ha: number;
  nodata_share: number;
  at_edge: boolean;
  uphill_deg: number | null;
  slope_deg: number | null;
  elevation_m: number | null;
}

export interface Growth {
  unavailable?: string;
  areas?: { year: number; area_ha: number | null; share_valid: number }[];
  retreat_m_per_year?: number | null;
  initiation?: string | null;
  confidence?: number;
  note?: string;
}

export interface Item {
  item: number;
  version: number;
  decision: Decision;
  meta: Meta;
  score: number | null;
  opinions: { reviewer: string; decision: Decision }[];
  growth?: Growth | null;
}

export interface Edited {
  boundary: Geometry;
  valid: boolean;
  why: string | null;
  area_ha: number;
  perimeter_m: number;
  below_mmu: boolean;
  self_crossing_at: Point | null;
}

// New slumps that the open candidates should still hold.
export interface Left {
  expected: number;
  low: number;
  high: number;
}

export interface Saved {
  left: Left | null;
  item: Row | { item: number };
  version: number;
  decision: Decision;
  growth?: Growth | null;
}
