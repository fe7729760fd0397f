// The server's addresses. All of them are relative: the page's own address holds the token.
import type { Campaign, Decision, Edited, Geometry, Growth, Item, Left, Row, Saved } from "./types";

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    message: string,
    readonly body: Record<string, unknown>,
  ) {
    super(message);
  }
}

// Thrown where there is no answer of this server; the request may be tried again.
export class Unreachable extends Error {}

// Longer than any answer takes: a server that hangs must not look like one that is saving.
const PATIENCE_MS = 30_000;

async function call<T>(path: string, body?: unknown): Promise<T> {
  const post = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer: Response;
  let content;
  try {
    answer = await fetch(path, { ...post, signal: AbortSignal.timeout(PATIENCE_MS) });
    content = await answer.json();
  } catch {
    throw new Unreachable("The server cannot be reached.");
  }
  // A fault of the server, or another program at its address, says nothing about the request.
  if (answer.status >= 500 || (!answer.ok && !content.error)) throw new Unreachable("The server has a fault.");
  if (!answer.ok) throw new Refusal(answer.status, content.error, content.message ?? answer.statusText, content);
  return content as T;
}

export const api = {
  campaign: () => call<Campaign>("api/campaign"),
  items: () => call<{ items: Row[]; left: Left | null }>("api/items"),
  item: (item: number) => call<Item>(`api/items/${item}`),
  session: (tab: string, take_over: boolean) => call("api/session", { tab, take_over }),
  decide: (item: number, act: { act: string; tab: string; version: number; seconds: number; decision: Decision }) =>
    call<Saved>(`api/items/${item}/decision`, act),
  undo: (act: string, tab: string) => call<Saved>("api/undo", { act, tab }),
  geometry: (item: number, operation: string, boundary: Geometry, line?: Geometry, other?: string) =>
    call<Edited>(`api/items/${item}/geometry`, { operation, boundary, line: line ?? null, other: other ?? null }),
  growth: (item: number, boundary: Geometry | null, headwall: Geometry | null) =>
    call<Growth>(`api/items/${item}/growth`, { boundary, headwall }),
  handIn: (tab: string) => call<{ file: string; decided: number; unsure: number; open: number }>("api/hand-in", { tab }),
};

export function leave(tab: string): void {
  navigator.sendBeacon("api/leave", new Blob([JSON.stringify({ tab })], { type: "application/json" }));
}
