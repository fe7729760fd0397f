// The list of slumps: sorted by a click on a column, only the rows in sight are drawn, and arrow keys walk it.
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { shown } from "./format";
import type { Inventory } from "./inventory";

const ROW = 30;
const SPARE = 8;
// Columns of the narrow list, with headings that fit.
const NARROW = new Map([
  ["id", "Id"],
  ["area_ha", "ha"],
  ["probability", "Prob."],
  ["initiation", "Began"],
]);

export interface Sorting {
  name: string;
  descending: boolean;
}

interface Props {
  inventory: Inventory;
  rows: number[];
  wide: boolean;
  sorting: Sorting;
  selected: number | null;
  colourOf: (row: number) => string;
  onSort: (sorting: Sorting) => void;
  onSelect: (row: number) => void;
}

export function SlumpTable({ inventory, rows, wide, sorting, selected, colourOf, onSort, onSelect }: Props): VNode {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const names = wide ? inventory.columns.map(({ name }) => name) : [...NARROW.keys()].filter((name) => inventory.has(name));
  const at = selected === null ? -1 : rows.indexOf(selected);

  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  // Whatever chose it, the chosen row comes into sight.
  useEffect(() => {
    const element = box.current as HTMLDivElement;
    if (at < 0) return;
    const [from, to] = [at * ROW, (at + 2) * ROW];
    if (from < element.scrollTop) element.scrollTop = from;
    else if (to > element.scrollTop + element.clientHeight) element.scrollTop = to - element.clientHeight;
  }, [at, wide]);

  const first = Math.max(0, Math.min(Math.floor(top / ROW) - SPARE, rows.length - 1));
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + SPARE);
  const onKey = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(height / ROW) - 2);
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length };
    const step = steps[event.key];
    if (step === undefined || event.target !== box.current || !rows.length) return;
    event.preventDefault();
    onSelect(rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))]);
  };
  return (
    <div
      class={`list ${wide ? "wide" : ""}`}
      ref={box}
      tabIndex={0}
      data-test="list"
      aria-label="Slumps; arrow keys choose one"
      aria-activedescendant={at >= 0 ? `row-${selected}` : undefined}
      role="grid"
      aria-rowcount={rows.length + 1}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={onKey}
    >
      <table role="presentation">
        <thead role="rowgroup">
          <tr role="row">
            {names.map((name) => {
              const column = inventory.column(name);
              const sorted = sorting.name === name;
              const way = sorted ? (sorting.descending ? "descending" : "ascending") : "none";
              // Numbers are first asked for the largest.
              const next = sorted ? !sorting.descending : column.kind === "number";
              return (
                <th key={name} role="columnheader" aria-sort={way} class={`of-${NARROW.has(name) ? name : "other"} ${column.kind === "number" ? "right" : ""}`}>
                  <button data-test={`sort-${name}`} title={`Sort by ${column.label.toLowerCase()}`} onClick={() => onSort({ name, descending: next })}>
                    {wide ? column.label : NARROW.get(name)}
                    {wide && column.unit ? <small>{column.unit}</small> : null}
                    <i aria-hidden="true">{sorted ? (sorting.descending ? "▼" : "▲") : ""}</i>
                  </button>
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody role="rowgroup">
          <tr class="spare" style={{ height: `${first * ROW}px` }} aria-hidden="true" />
          {rows.slice(first, last).map((row, place) => (
            <tr
              key={row}
              id={`row-${row}`}
              role="row"
              data-test="row"
              aria-rowindex={first + place + 2}
              aria-selected={row === selected}
              class={row === selected ? "chosen" : ""}
              onClick={() => onSelect(row)}
            >
              {names.map((name, column) => (
                <td key={name} role="gridcell" class={inventory.column(name).kind === "number" ? "right" : ""} title={wide ? undefined : shown(inventory.value(row, name), inventory.column(name))}>
                  {column === 0 ? <i class="dot" style={{ background: colourOf(row) }} /> : null}
                  {shown(inventory.value(row, name), inventory.column(name), false)}
                </td>
              ))}
            </tr>
          ))}
          <tr class="spare" style={{ height: `${(rows.length - Math.max(last, first)) * ROW}px` }} aria-hidden="true" />
        </tbody>
      </table>
      {rows.length === 0 ? <p class="none">No slump passes these filters.</p> : null}
    </div>
  );
}
