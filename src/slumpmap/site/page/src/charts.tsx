// Small charts of the overview.
import type { VNode } from "preact";
import { number } from "./format";
import { UNKNOWN, type Inventory } from "./inventory";

// Counts of a class as bars with words, so that colour says nothing alone.
export function ClassBars({ inventory, name, title }: { inventory: Inventory; name: string; title: string }): VNode | null {
  if (!inventory.has(name)) return null;
  const counts = inventory.counts([...Array(inventory.count).keys()], name);
  const most = Math.max(...counts.values());
  return (
    <section class="card chart">
      <h3>{title}</h3>
      <dl class="bars">
        {inventory.classes(name).map((value) => (
          <div key={value}>
            <dt>{value}</dt>
            <dd>
              <i style={{ width: `${(100 * (counts.get(value) ?? 0)) / most}%`, background: value === UNKNOWN ? undefined : inventory.colour(name, value) }} />
              <b>{number(counts.get(value) ?? 0)}</b>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const EDGES = [0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];

// How many slumps are how large: steps of 1, 2 and 5, since areas spread over three orders of magnitude.
export function AreaBars({ inventory }: { inventory: Inventory }): VNode | null {
  const areas = inventory.numbers("area_ha");
  if (!areas.length) return null;
  const last = EDGES.findIndex((edge) => edge > Math.max(...areas));
  const first = EDGES.findLastIndex((edge) => edge <= Math.min(...areas));
  const edges = EDGES.slice(first, last < 0 ? undefined : last + 1);
  const counts = edges.map((edge, at) => areas.filter((area) => area >= edge && area < (edges[at + 1] ?? Infinity)).length);
  if (last >= 0) counts.pop();
  const most = Math.max(...counts);
  return (
    <section class="card chart">
      <h3>Area, hectares</h3>
      <div class="columns" role="img" aria-label={counts.map((count, at) => `${edges[at]} to ${edges[at + 1] ?? "more"} ha: ${count}`).join(", ")}>
        {counts.map((count, at) => (
          <div key={edges[at]}>
            <b>{count || ""}</b>
            <i style={{ height: `${(100 * count) / most}%` }} />
            <small>{edges[at]}</small>
          </div>
        ))}
      </div>
    </section>
  );
}

const TURN = 45;

// Slumps by the direction that they face, as a rose: petals of equal area for equal counts.
export function AspectRose({ inventory }: { inventory: Inventory }): VNode | null {
  if (!inventory.has("aspect_class")) return null;
  const names = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
  const counts = inventory.counts([...Array(inventory.count).keys()], "aspect_class");
  const most = Math.max(...names.map((name) => counts.get(name) ?? 0), 1);
  const at = (degrees: number, radius: number): string => {
    const angle = (degrees * Math.PI) / 180;
    return `${(radius * Math.sin(angle)).toFixed(2)} ${(-radius * Math.cos(angle)).toFixed(2)}`;
  };
  return (
    <section class="card chart">
      <h3>Aspect</h3>
      <svg class="rose" viewBox="-62 -62 124 124" role="img" aria-label={names.map((name) => `${name}: ${counts.get(name) ?? 0}`).join(", ")}>
        <circle r={44} />
        <circle r={44 / Math.SQRT2} />
        {names.map((name, place) => {
          const count = counts.get(name) ?? 0;
          const radius = 44 * Math.sqrt(count / most);
          const [from, to] = [place * TURN - 20, place * TURN + 20];
          return (
            <g key={name}>
              <path d={`M0 0L${at(from, radius)}A${radius} ${radius} 0 0 1 ${at(to, radius)}Z`} />
              <text x={at(place * TURN, 54).split(" ")[0]} y={at(place * TURN, 54).split(" ")[1]}>
                {name}
                <title>{count}</title>
              </text>
            </g>
          );
        })}
      </svg>
    </section>
  );
}

// The slumps on the relief: each a link to its sheet.
export function MiniMap({ inventory }: { inventory: Inventory }): VNode | null {
  const { ground } = inventory.data;
  if (!ground) return null;
  const [west, south, east, north] = ground.bounds;
  const [width, height] = [east - west, north - south];
  const unit = Math.max(width, height) / 1000;
  const relief = ground.pictures.relief ?? ground.pictures.image;
  const points = inventory.data.slumps.rows.map((_, row) => {
    const [left, bottom, right, top] = inventory.bounds(row);
    const area = Number(inventory.value(row, "area_ha") ?? 0);
    return { row, x: (left + right) / 2 - west, y: north - (bottom + top) / 2, radius: unit * Math.min(5 + 3.6 * Math.sqrt(area), 24) };
  });
  return (
    <a class="minimap" href="#/map" data-test="minimap" aria-label="Open the map">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label="The slumps on the relief">
        {relief ? (
          <image href={`ground/${relief.file}`} x={relief.bounds[0] - west} y={north - relief.bounds[3]} width={relief.bounds[2] - relief.bounds[0]} height={relief.bounds[3] - relief.bounds[1]} />
        ) : null}
        {(ground.lines.roads ?? []).map((flat, at) => (
          <polyline key={at} points={flat.map((value, place) => (place % 2 ? north - value : value - west)).join(" ")} stroke-width={2.4 * unit} />
        ))}
        {points.map(({ row, x, y, radius }) => (
          <circle key={row} cx={x} cy={y} r={radius} stroke-width={1.4 * unit} fill={inventory.has("probability") ? inventory.colour("probability", inventory.classOf(row, "probability")) : "#c8401f"} />
        ))}
      </svg>
    </a>
  );
}
