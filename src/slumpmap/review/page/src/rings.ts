// Boundaries as parts of rings of points, in metres: their area, their corners, and whether they cross themselves.
import type { Geometry, Point } from "./types";

export type Ring = Point[];
export type Part = Ring[];
export interface Corner {
  part: number;
  ring: number;
  corner: number;
}

export const partsOf = (boundary: Geometry): Part[] =>
  boundary.type === "MultiPolygon" ? (boundary.coordinates as Part[]) : [boundary.coordinates as Part];

export const boundaryOf = (parts: Part[]): Geometry =>
  parts.length === 1 ? { type: "Polygon", coordinates: parts[0] } : { type: "MultiPolygon", coordinates: parts };

// Area by the trapezium rule about the first point: coordinates are large, and their products would lose the metres.
function ringArea(ring: Ring): number {
  const [x0, y0] = ring[0];
  const twice = ring.slice(1).reduce((sum, [x, y], before) => {
    const [xb, yb] = ring[before];
    return sum + (xb - x0) * (y - y0) - (x - x0) * (yb - y0);
  }, 0);
  return Math.abs(twice) / 2;
}

// Square metres; the first ring of a part is its outside, the others are holes.
export const areaOf = (parts: Part[]): number =>
  parts.flatMap((part) => part.map((ring, number) => (number === 0 ? 1 : -1) * ringArea(ring))).reduce((sum, area) => sum + area, 0);

// All corners in their order; the closing point of a ring is its first and not told twice.
export const cornersOf = (parts: Part[]): Corner[] =>
  parts.flatMap((rings, part) => rings.flatMap((points, ring) => points.slice(1).map((_, corner) => ({ part, ring, corner }))));

export const pointOf = (parts: Part[], { part, ring, corner }: Corner): Point => parts[part][ring][corner];

// The parts with one ring changed. `change` takes and gives the corners without the closing point.
function withRing(parts: Part[], at: Corner, change: (corners: Ring) => Ring): Part[] {
  return parts.map((rings, part) =>
    rings.map((ring, number) => {
      if (part !== at.part || number !== at.ring) return ring;
      const corners = change(ring.slice(0, -1));
      return [...corners, corners[0]];
    }),
  );
}

export const movedCorner = (parts: Part[], at: Corner, [dx, dy]: Point): Part[] =>
  withRing(parts, at, (ring) => ring.map(([x, y], corner) => (corner === at.corner ? [x + dx, y + dy] : [x, y])));

// Half way to the next corner.
export const addedCorner = (parts: Part[], at: Corner): Part[] =>
  withRing(parts, at, (ring) => {
    const [[x, y], [xn, yn]] = [ring[at.corner], ring[(at.corner + 1) % ring.length]];
    return [...ring.slice(0, at.corner + 1), [(x + xn) / 2, (y + yn) / 2], ...ring.slice(at.corner + 1)];
  });

// Null where nothing would be left of the ring.
export const withoutCorner = (parts: Part[], at: Corner): Part[] | null =>
  parts[at.part][at.ring].length <= 4 ? null : withRing(parts, at, (ring) => ring.filter((_, corner) => corner !== at.corner));

interface Edge {
  from: Point;
  to: Point;
  ring: number;
  number: number;
  last: number;
}

// Where edges cross, or null. Touching rings and doubled edges are left to the server, which knows all rules.
export function crossingOf(parts: Part[]): Point | null {
  const rings = parts.flat();
  const edges: Edge[] = rings.flatMap((points, ring) =>
    points.slice(1).map((to, number) => ({ from: points[number], to, ring, number, last: points.length - 2 })),
  );
  const west = (edge: Edge) => Math.min(edge.from[0], edge.to[0]);
  const east = (edge: Edge) => Math.max(edge.from[0], edge.to[0]);
  edges.sort((a, b) => west(a) - west(b));
  for (let one = 0; one < edges.length; one++)
    for (let other = one + 1; other < edges.length && west(edges[other]) <= east(edges[one]); other++) {
      const place = neighbours(edges[one], edges[other]) ? null : meeting(edges[one], edges[other]);
      if (place) return place;
    }
  return null;
}

function neighbours(a: Edge, b: Edge): boolean {
  const apart = Math.abs(a.number - b.number);
  return a.ring === b.ring && (apart === 1 || apart === a.last);
}

function meeting({ from: [ax, ay], to: [bx, by] }: Edge, { from: [cx, cy], to: [dx, dy] }: Edge): Point | null {
  const across = (bx - ax) * (dy - cy) - (by - ay) * (dx - cx);
  if (across === 0) return null;
  const along = ((cx - ax) * (dy - cy) - (cy - ay) * (dx - cx)) / across;
  const aside = ((cx - ax) * (by - ay) - (cy - ay) * (bx - ax)) / across;
  return along > 0 && along < 1 && aside > 0 && aside < 1 ? [ax + along * (bx - ax), ay + along * (by - ay)] : null;
}
