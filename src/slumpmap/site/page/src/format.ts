// Numbers, sizes and addresses as people read them.
import type { Column, Value } from "./types";

export const number = (value: number | null | undefined, digits = 0): string =>
  value === null || value === undefined ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const percent = (share: number | null | undefined, digits = 0): string =>
  share === null || share === undefined ? "–" : `${number(100 * share, digits)} %`;

export function shown(value: Value, column: Column, unit = true): string {
  if (value === null) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return value;
  // Coordinates are not grouped: 34.70934, and no year is above 999.
  return number(value, column.digits) + (unit && column.unit ? (column.unit === "°" ? "°" : ` ${column.unit}`) : "");
}

export function size(bytes: number | null): string {
  if (bytes === null) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, at] = [bytes, 0];
  while (value >= 1000 && at < units.length - 1) [value, at] = [value / 1000, at + 1];
  return `${number(value, at && value < 10 ? 1 : 0)} ${units[at]}`;
}

// The address of a file beside the page: names may hold what an address must not.
export const address = (file: string): string => file.split("/").map(encodeURIComponent).join("/");

// One slump's link. Pages' links begin with a stroke, which an encoded id never does.
export const linkOf = (id: string): string => `#${encodeURIComponent(id)}`;
