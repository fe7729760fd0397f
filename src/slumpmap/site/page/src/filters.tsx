// Filters: classes with their counts, ranges with the spread of values behind them.
import type { VNode } from "preact";
import { number } from "./format";
import { FILTERED_CLASSES, FILTERED_RANGES, type Filters, type Inventory } from "./inventory";

const BINS = 28;

interface Props {
  inventory: Inventory;
  filters: Filters;
  onChange: (filters: Filters) => void;
}

export const isFiltered = (filters: Filters): boolean =>
  Boolean(filters.text.trim()) ||
  Object.values(filters.classes).some((wanted) => wanted.length > 0) ||
  Object.values(filters.ranges).some(([low, high]) => low !== null || high !== null);

export function FilterPanel({ inventory, filters, onChange }: Props): VNode {
  const ranges = FILTERED_RANGES.filter((name) => inventory.has(name));
  // A class that is the same everywhere filters nothing.
  const classes = FILTERED_CLASSES.filter((name) => inventory.has(name) && inventory.classes(name).length > 1);
  return (
    <div class="filters">
      {ranges.map((name) => (
        <Range key={name} inventory={inventory} filters={filters} name={name} onChange={onChange} />
      ))}
      {classes.map((name) => (
        <Classes key={name} inventory={inventory} filters={filters} name={name} onChange={onChange} />
      ))}
    </div>
  );
}

function Classes({ inventory, filters, name, onChange }: Props & { name: string }): VNode {
  const wanted = filters.classes[name] ?? [];
  const counts = inventory.counts(inventory.shown(filters, name), name);
  const toggle = (value: string): void => {
    const next = wanted.includes(value) ? wanted.filter((one) => one !== value) : [...wanted, value];
    onChange({ ...filters, classes: { ...filters.classes, [name]: next } });
  };
  return (
    <fieldset>
      <legend>{inventory.column(name).label}</legend>
      <div class="chips">
        {inventory.classes(name).map((value) => (
          <label key={value} class={wanted.includes(value) ? "on" : ""}>
            <input type="checkbox" checked={wanted.includes(value)} data-test={`filter-${name}-${value}`} onChange={() => toggle(value)} />
            {value}
            <small>{counts.get(value) ?? 0}</small>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Range({ inventory, filters, name, onChange }: Props & { name: string }): VNode {
  const column = inventory.column(name);
  const [low, high] = filters.ranges[name] ?? [null, null];
  const values = inventory.numbers(name);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const set = (side: 0 | 1, text: string): void => {
    const value = text.trim() === "" || !isFinite(Number(text)) ? null : Number(text);
    const next: [number | null, number | null] = side === 0 ? [value, high] : [low, value];
    onChange({ ...filters, ranges: { ...filters.ranges, [name]: next } });
  };
  const step = column.digits ? 10 ** -column.digits : 1;
  const input = (side: 0 | 1, value: number | null, hint: number): VNode => (
    <input
      type="number"
      step={step}
      value={value ?? ""}
      placeholder={number(hint, Math.min(column.digits, 1)).replace(/,/g, "")}
      aria-label={`${column.label}, ${side ? "at most" : "at least"}, ${column.unit}`}
      data-test={`filter-${name}-${side ? "high" : "low"}`}
      onInput={(event) => set(side, event.currentTarget.value)}
    />
  );
  return (
    <fieldset class="range">
      <legend>
        {column.label} <small>{column.unit}</small>
      </legend>
      <Spread values={values} logarithmic={name === "area_ha"} low={low} high={high} />
      <div class="ends">
        {input(0, low, least)}
        <span aria-hidden="true">–</span>
        {input(1, high, most)}
      </div>
    </fieldset>
  );
}

function Spread({ values, logarithmic, low, high }: { values: number[]; logarithmic: boolean; low: number | null; high: number | null }): VNode | null {
  const scale = (value: number): number => (logarithmic ? Math.log(Math.max(value, 1e-3)) : value);
  const scaled = values.map(scale);
  const [least, most] = [Math.min(...scaled), Math.max(...scaled)];
  if (!values.length || most <= least) return null;
  const counts = new Array<number>(BINS).fill(0);
  const bin = (value: number): number => Math.min(BINS - 1, Math.floor(((value - least) / (most - least)) * BINS));
  for (const value of scaled) counts[bin(value)]++;
  const highest = Math.max(...counts);
  const inside = (at: number): boolean => {
    const [from, to] = [least + (at / BINS) * (most - least), least + ((at + 1) / BINS) * (most - least)];
    return (low === null || to > scale(low)) && (high === null || from <= scale(high));
  };
  return (
    <svg class="spread" viewBox={`0 0 ${BINS} 10`} preserveAspectRatio="none" aria-hidden="true">
      {counts.map((count, at) => (
        <rect key={at} x={at + 0.08} width={0.84} y={10 - (9.6 * count) / highest} height={(9.6 * count) / highest} class={inside(at) ? "in" : ""} />
      ))}
    </svg>
  );
}
