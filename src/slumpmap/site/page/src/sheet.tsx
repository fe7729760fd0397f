// A slump's sheet: its images through the years, and all that is known of it.
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { address, linkOf, shown } from "./format";
import type { Inventory } from "./inventory";
import type { Column, SheetEntry } from "./types";

const FRAME_MS = 900;
const STATES = { seen: "", partly: "partly seen", missing: "no image" };

interface Props {
  inventory: Inventory;
  row: number;
  onStep: ((step: number) => void) | null;
  onClose: () => void;
}

export function Sheet({ inventory, row, onStep, onClose }: Props): VNode {
  const sheet = inventory.sheet(row);
  const id = inventory.id(row);
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    (head.current?.closest(".sheet") as HTMLElement).scrollTop = 0;
  }, [row]);
  const facts = (["area_ha", "probability", "initiation"] as const).filter((name) => inventory.has(name));
  return (
    <section class="sheet" data-test="sheet" aria-label={`Slump ${id}`}>
      <header>
        <h2 ref={head} data-test="sheet-id">
          {id}
        </h2>
        <a class="button" href={linkOf(id)} data-test="sheet-link" title="Address of this slump, to copy">
          Link
        </a>
        <button onClick={() => onStep?.(-1)} disabled={!onStep} aria-label="Slump before this in the list" title="Slump before this in the list">
          ↑
        </button>
        <button onClick={() => onStep?.(1)} disabled={!onStep} aria-label="Next slump in the list" title="Next slump in the list">
          ↓
        </button>
        <button onClick={onClose} data-test="close" aria-label="Close (Escape)" title="Close (Escape)">
          ✕
        </button>
      </header>
      <p class="facts">
        {facts.map((name) => (
          <span key={name}>
            <b>{shown(inventory.value(row, name), inventory.column(name))}</b>
            <small>{inventory.column(name).label.toLowerCase()}</small>
          </span>
        ))}
      </p>
      {sheet ? <TimeLapse key={row} inventory={inventory} row={row} sheet={sheet} /> : <p class="hint">There are no images of this slump here.</p>}
      <Attributes inventory={inventory} row={row} />
    </section>
  );
}

function TimeLapse({ inventory, row, sheet }: { inventory: Inventory; row: number; sheet: SheetEntry }): VNode {
  const mapping = sheet.frames.findIndex(({ year }) => year === inventory.data.mapping_year);
  const [frame, setFrame] = useState(mapping < 0 ? sheet.frames.length - 1 : mapping);
  const [playing, setPlaying] = useState(false);
  const [outlined, setOutlined] = useState(true);
  const large = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!playing) return undefined;
    const timer = setInterval(() => setFrame((now) => (now + 1) % sheet.frames.length), FRAME_MS);
    return () => clearInterval(timer);
  }, [playing, sheet]);
  const step = (by: number): void => {
    setPlaying(false);
    setFrame((now) => (now + by + sheet.frames.length) % sheet.frames.length);
  };
  const onKey = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1 };
    if (!steps[event.key]) return;
    event.preventDefault();
    step(steps[event.key]);
  };
  const { year, state } = sheet.frames[frame];
  return (
    <div class="lapse" onKeyDown={onKey}>
      <div class="stage">
        <Year inventory={inventory} row={row} sheet={sheet} frame={frame} outlined={outlined} />
        <p class="badge" data-test="frame" aria-live={playing ? "off" : "polite"}>
          {year} <em>{STATES[state]}</em>
        </p>
      </div>
      <div class="years" role="group" aria-label="Years">
        {sheet.frames.map((one, at) => (
          <button key={one.year} class={at === frame ? "now" : ""} aria-pressed={at === frame} data-test={`year-${one.year}`} onClick={() => (setPlaying(false), setFrame(at))}>
            <Year inventory={inventory} row={row} sheet={sheet} frame={at} outlined={false} />
            {one.year}
          </button>
        ))}
      </div>
      <div class="tools">
        <button data-test="play" aria-pressed={playing} onClick={() => setPlaying(!playing)} disabled={sheet.frames.length < 2}>
          {playing ? "❚❚ Pause" : "▶ Play the years"}
        </button>
        <label>
          <input type="checkbox" checked={outlined} onChange={() => setOutlined(!outlined)} /> outline
        </label>
        <button data-test="enlarge" onClick={() => large.current?.showModal()}>
          ⤢ Large
        </button>
      </div>
      <dialog ref={large} class="large" aria-label="All years" onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}>
        <header>
          <h2>{inventory.id(row)}</h2>
          <button onClick={() => large.current?.close()} aria-label="Close (Escape)">
            ✕
          </button>
        </header>
        <div class="all">
          {sheet.frames.map((one, at) => (
            <figure key={one.year}>
              <Year inventory={inventory} row={row} sheet={sheet} frame={at} outlined={outlined && one.year === inventory.data.mapping_year} />
              <figcaption>
                {one.year} {STATES[one.state]}
                {one.year === inventory.data.mapping_year ? " – outline drawn here" : ""}
              </figcaption>
            </figure>
          ))}
        </div>
      </dialog>
    </div>
  );
}

// One year of the strip, the outline and a scale bar over it.
function Year({ inventory, row, sheet, frame, outlined }: { inventory: Inventory; row: number; sheet: SheetEntry; frame: number; outlined: boolean }): VNode {
  const [west, south, east, north] = sheet.bounds;
  const [side, count] = [east - west, sheet.frames.length];
  const path = inventory
    .outline(row)
    .flat()
    .map((ring) => `M${ring.map(([x, y]) => `${(x - west).toFixed(1)} ${(north - y).toFixed(1)}`).join("L")}Z`)
    .join("");
  const bar = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].filter((length) => length <= side / 3).pop() ?? 10;
  return (
    <div
      class="year"
      role="img"
      aria-label={`Image of ${sheet.frames[frame].year}`}
      style={{
        backgroundImage: `url("${address(`sheets/${sheet.file}`)}")`,
        backgroundSize: `${100 * count}% 100%`,
        backgroundPosition: `${count > 1 ? (100 * frame) / (count - 1) : 0}% 0`,
      }}
    >
      <svg viewBox={`0 0 ${side} ${north - south}`} aria-hidden="true">
        {outlined ? <path d={path} class="outline" /> : null}
        <g class="bar" transform={`translate(${side * 0.04} ${(north - south) * 0.955})`}>
          <path d={`M0 0H${bar}`} />
          <text y={-side * 0.018} font-size={side * 0.042}>
            {bar} m
          </text>
        </g>
      </svg>
    </div>
  );
}

function Attributes({ inventory, row }: { inventory: Inventory; row: number }): VNode {
  const groups = new Map<string, Column[]>();
  for (const column of inventory.columns) groups.set(column.group, [...(groups.get(column.group) ?? []), column]);
  return (
    <div class="attributes" data-test="attributes">
      {[...groups].map(([group, columns]) => (
        <section key={group}>
          <h3>{group}</h3>
          <dl>
            {columns.map((column) => (
              <div key={column.name} class={column.kind === "text" ? "long" : ""}>
                <dt>{column.label}</dt>
                <dd>{shown(inventory.value(row, column.name), column)}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}
