// The map with its filters, its list and the sheet of the chosen slump.
import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { FilterPanel, isFiltered } from "./filters";
import { number, shown } from "./format";
import { NO_FILTERS, type Inventory } from "./inventory";
import { SlumpMap, type Base } from "./map";
import { Sheet } from "./sheet";
import { SlumpTable, type Sorting } from "./table";

const COLOURED = ["probability", "initiation", "iteration_found", "near_road", "near_stream", "aspect_class", "vegetation", "soil"];

interface Props {
  inventory: Inventory;
  selected: number | null;
  unknown: string | null;
  onSelect: (row: number | null) => void;
}

export function Explorer({ inventory, selected, unknown, onSelect }: Props): VNode {
  const ground = inventory.data.ground;
  const bases = (["relief", "image"] as const).filter((name) => ground?.pictures[name]);
  const coloured = COLOURED.filter((name) => inventory.has(name));
  const [filters, setFilters] = useState(NO_FILTERS);
  const [open, setOpen] = useState(false);
  const [wide, setWide] = useState(false);
  const [sorting, setSorting] = useState<Sorting>({ name: "area_ha", descending: true });
  const [by, setBy] = useState(coloured[0] ?? "");
  const [base, setBase] = useState<Base>(bases[0] ?? "none");
  const [lines, setLines] = useState<Record<string, boolean>>({ roads: true, streams: false });
  const [hover, setHover] = useState<{ row: number; x: number; y: number } | null>(null);
  const target = useRef<HTMLDivElement>(null);
  const map = useRef<SlumpMap | null>(null);
  // The map calls back long after it was made.
  const select = useRef(onSelect);
  select.current = onSelect;

  const rows = useMemo(() => inventory.shown(filters), [filters]);
  const ordered = useMemo(() => inventory.sorted(rows, sorting.name, sorting.descending), [rows, sorting]);
  const colours = useMemo(
    () => Array.from({ length: inventory.count }, (_, row) => (by ? inventory.colour(by, inventory.classOf(row, by)) : "#c8401f")),
    [by],
  );
  const counts = useMemo(() => (by ? inventory.counts(rows, by) : new Map<string, number>()), [rows, by]);

  useEffect(() => {
    map.current = new SlumpMap(
      target.current as HTMLElement,
      inventory,
      (row) => select.current(row),
      (row, [x, y]) => setHover(row === null ? null : { row, x, y }),
    );
    performance.mark("map-made");
    map.current.map.once("rendercomplete", () => {
      performance.mark("map-drawn");
      (target.current as HTMLElement).dataset.drawn = "yes";
    });
    return () => map.current?.map.setTarget(undefined);
  }, []);
  useEffect(() => map.current?.show(rows, colours), [rows, colours]);
  useEffect(() => map.current?.base(base), [base]);
  useEffect(() => Object.entries(lines).forEach(([name, visible]) => map.current?.line(name, visible)), [lines]);
  useEffect(() => {
    map.current?.select(selected);
    if (selected !== null) map.current?.goTo(selected);
  }, [selected]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) select.current(null);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  const place = selected === null ? -1 : ordered.indexOf(selected);
  const step = (by: number): void => {
    const next = ordered[Math.max(0, Math.min(ordered.length - 1, place + by))];
    if (next !== undefined) onSelect(next);
  };
  const all = rows.length === inventory.count;
  return (
    <div class={`explorer ${selected === null ? "" : "with-sheet"} ${wide ? "with-table" : ""}`}>
      <section class="panel" aria-label="Filters and list">
        <div class="search">
          <input type="search" placeholder="Find an id" aria-label="Find an id" data-test="find" value={filters.text} onInput={(event) => setFilters({ ...filters, text: event.currentTarget.value })} />
          <button aria-expanded={open} data-test="filters" onClick={() => setOpen(!open)}>
            Filters {open ? "▴" : "▾"}
          </button>
          <button data-test="wide" onClick={() => setWide(!wide)} title="Table with all attributes, or list and map">
            {wide ? "Map" : "Table"}
          </button>
        </div>
        {open ? <FilterPanel inventory={inventory} filters={filters} onChange={setFilters} /> : null}
        <p class="count" role="status">
          <span>
            <b data-test="count">{number(rows.length)}</b>
            {all ? " slumps" : ` of ${number(inventory.count)} slumps`}, <b>{number(inventory.area(rows), 1)}</b> ha
          </span>
          {isFiltered(filters) ? (
            <button data-test="reset" onClick={() => setFilters(NO_FILTERS)}>
              Show all
            </button>
          ) : null}
        </p>
        <SlumpTable
          inventory={inventory}
          rows={ordered}
          wide={wide}
          sorting={sorting}
          selected={selected}
          colourOf={(row) => colours[row]}
          onSort={setSorting}
          onSelect={onSelect}
        />
      </section>
      <section class="mapbox" aria-label="Map">
        <div class="map" ref={target} tabIndex={0} data-test="map" aria-label="Map of the slumps; arrow keys move it, + and - zoom" />
        <div class="ground-choice">
          {bases.length > 1 ? (
            <div class="switch" role="group" aria-label="Ground">
              {bases.map((name) => (
                <button key={name} aria-pressed={base === name} data-test={`base-${name}`} onClick={() => setBase(name)}>
                  {name === "relief" ? "Relief" : `Images ${inventory.data.mapping_year}`}
                </button>
              ))}
            </div>
          ) : null}
          {Object.keys(ground?.lines ?? {}).map((name) => (
            <label key={name}>
              <input type="checkbox" checked={lines[name] ?? false} data-test={`line-${name}`} onChange={() => setLines({ ...lines, [name]: !lines[name] })} /> {name}
            </label>
          ))}
          <button onClick={() => map.current?.fitAll()}>Whole area</button>
        </div>
        {by ? (
          <details class="legend" open={innerWidth > 700}>
            <summary>
              Colour
              <select aria-label="Colour by" data-test="colour" value={by} onChange={(event) => setBy(event.currentTarget.value)} onClick={(event) => event.stopPropagation()}>
                {coloured.map((name) => (
                  <option key={name} value={name}>
                    {inventory.column(name).label}
                  </option>
                ))}
              </select>
            </summary>
            <ul>
              {inventory.classes(by).map((value) => (
                <li key={value}>
                  <i class="dot" style={{ background: inventory.colour(by, value) }} />
                  {value}
                  <small>{counts.get(value) ?? 0}</small>
                </li>
              ))}
            </ul>
          </details>
        ) : null}
        {ground ? null : <p class="notice">There is no ground under this map: neither relief nor images were rendered.</p>}
        {unknown === null ? null : (
          <p class="notice" role="alert" data-test="unknown">
            There is no slump with the id “{unknown}” in this inventory.
          </p>
        )}
        {hover ? (
          <p class="tip" style={{ left: `${hover.x}px`, top: `${hover.y}px` }}>
            <b>{inventory.id(hover.row)}</b> {shown(inventory.value(hover.row, "area_ha"), inventory.column("area_ha"))}
            {by ? `, ${inventory.classOf(hover.row, by)}` : ""}
          </p>
        ) : null}
      </section>
      {selected === null ? null : <Sheet inventory={inventory} row={selected} onStep={place < 0 ? null : step} onClose={() => onSelect(null)} />}
    </div>
  );
}
