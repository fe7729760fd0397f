// The reviewer's desk: which candidate lies on it, what is thought of it, and what is on its way to the server.
import { Acts } from "./acts";
import { api, leave, Refusal } from "./api";
import { Pictures, type Loaded } from "./pictures";
import type { Campaign, Decision, Growth, Left, Row, Saved, Verdict } from "./types";

export type Filter = "all" | "open" | "slump" | "reject" | "unsure" | "large";
export type Order = "value" | "place";
export const FILTERS: Filter[] = ["all", "open", "slump", "reject", "unsure", "large"];
const LARGE_HA = 1;
const AHEAD = 5;
// Nobody looks at one candidate for longer without a pause.
const LONGEST_S = 600;

const EMPTY: Decision = {
  verdict: null,
  probability: null,
  criteria: {},
  initiation: null,
  reason: null,
  use_as_negative: false,
  note: "",
  boundary: null,
  headwall: null,
};

function tabName(): string {
  // A reloaded page is the same window; a copied one is another.
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const before = navigation?.type === "reload" ? sessionStorage.getItem("tab") : null;
  const name = before ?? crypto.randomUUID();
  sessionStorage.setItem("tab", name);
  return name;
}

export function suggestedProbability(criteria: Record<string, boolean | null>): "high" | "medium" | "low" {
  const met = Object.values(criteria).filter((value) => value === true).length;
  return met >= 4 ? "high" : met === 3 ? "medium" : "low";
}

export class Desk {
  readonly tab = tabName();
  readonly pictures = new Pictures();
  readonly acts: Acts;
  rows = new Map<number, Row>();
  order: Order = "value";
  filter: Filter = "all";
  current: Loaded | null = null;
  draft: Decision = EMPTY;
  growth: Growth | null = null;
  message: { kind: "info" | "error"; text: string } | null = null;
  taken: string | null = null;
  busy = false;
  private versions = new Map<number, number>();
  private decisions = new Map<number, Decision>();
  private last: { decision: Decision } | null = null;
  private shownAt = 0;
  private hiddenFor = 0;
  private hiddenSince = 0;
  private done: number[] = [];
  private listeners: (() => void)[] = [];
  private shown: ((loaded: Loaded) => void)[] = [];

  constructor(
    readonly campaign: Campaign,
    rows: Row[],
    public left: Left | null,
  ) {
    rows.forEach((row) => this.rows.set(row.item, row));
    rows.forEach((row) => this.versions.set(row.item, row.version));
    this.acts = new Acts(this.tab, (item, answer) => this.saved(item, answer), (item, refusal) => this.refused(item, refusal), () => this.tell());
    addEventListener("pagehide", () => leave(this.tab));
    document.addEventListener("visibilitychange", () => this.visibility());
    addEventListener("beforeunload", (event) => {
      if (this.acts.pending) event.preventDefault();
    });
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  onShow(listener: (loaded: Loaded) => void): void {
    this.shown.push(listener);
  }

  tell(): void {
    if (this.acts.taken && !this.taken) this.taken = "Another window works under your name.";
    this.listeners.forEach((listener) => listener());
  }

  get item(): number | null {
    return this.current?.data.item ?? null;
  }

  get row(): Row | null {
    return this.item === null ? null : (this.rows.get(this.item) ?? null);
  }

  get readOnly(): boolean {
    return this.taken !== null;
  }

  // The queue in its order, filtered; the candidate on the desk always belongs to it.
  queue(): Row[] {
    const key = this.order === "value" ? "order_value" : "order_place";
    return [...this.rows.values()].filter((row) => row.item === this.item || this.passes(row)).sort((a, b) => a[key] - b[key]);
  }

  private passes(row: Row): boolean {
    if (this.filter === "all") return true;
    if (this.filter === "open") return row.verdict === null;
    if (this.filter === "large") return row.area_ha >= LARGE_HA;
    return row.verdict === this.filter;
  }

  counts(): { total: number; decided: number; slumps: number } {
    const rows = [...this.rows.values()];
    return {
      total: rows.length,
      decided: rows.filter((row) => row.verdict !== null).length,
      slumps: rows.filter((row) => row.verdict === "slump").length,
    };
  }

  // Candidates an hour over the last decisions of this sitting, and seconds left at that rate.
  pace(): { perHour: number; secondsLeft: number } | null {
    const recent = this.done.slice(-40);
    if (recent.length < 5) return null;
    const each = recent.reduce((sum, seconds) => sum + seconds, 0) / recent.length;
    const { total, decided } = this.counts();
    return each > 0 ? { perHour: 3600 / each, secondsLeft: (total - decided) * each } : null;
  }

  async enter(takeOver: boolean): Promise<void> {
    try {
      await api.session(this.tab, takeOver);
      this.taken = null;
      this.acts.resume();
    } catch (error) {
      if (error instanceof Refusal && error.error === "taken") this.taken = "Another window works under your name.";
      else this.say("error", String((error as Error).message));
    }
    this.tell();
  }

  start(): Promise<void> {
    const queue = this.queue();
    const first = queue.find((row) => row.verdict === null) ?? queue[0];
    return first ? this.show(first.item) : Promise.resolve();
  }

  async show(item: number): Promise<void> {
    const wanted = item;
    let loaded: Loaded;
    this.busy = true;
    try {
      loaded = await this.pictures.get(item);
    } catch (error) {
      this.busy = false;
      this.say("error", `Candidate ${item} cannot be shown: ${(error as Error).message}`);
      return;
    }
    this.busy = false;
    this.current = loaded;
    this.draft = this.decisions.get(wanted) ?? { ...loaded.data.decision };
    this.growth = null;
    this.message = null;
    this.shownAt = performance.now();
    this.hiddenFor = 0;
    this.shown.forEach((listener) => listener(loaded));
    this.tell();
    this.prefetch();
    if (this.draft.verdict === "slump") void this.measure();
  }

  private prefetch(): void {
    const queue = this.queue();
    const place = queue.findIndex((row) => row.item === this.item);
    queue.slice(place + 1, place + 1 + AHEAD).forEach((row) => void this.pictures.get(row.item).catch(() => undefined));
  }

  private visibility(): void {
    if (document.hidden) this.hiddenSince = performance.now();
    else this.hiddenFor += performance.now() - this.hiddenSince;
  }

  step(by: number): Promise<void> {
    const queue = this.queue();
    const place = queue.findIndex((row) => row.item === this.item);
    const next = queue[place + by];
    if (!next) {
      this.say("info", by > 0 ? "This is the last candidate of the list." : "This is the first candidate of the list.");
      return Promise.resolve();
    }
    return this.show(next.item);
  }

  jump(place: number): Promise<void> {
    const row = this.queue()[place - 1];
    if (row) return this.show(row.item);
    this.say("info", `There is no candidate ${place} in this list.`);
    return Promise.resolve();
  }

  edit(change: Partial<Decision>): void {
    if (this.readOnly || this.busy) return;
    this.draft = { ...this.draft, ...change };
    // What was decided before is changed at once; what is still open waits for its verdict.
    if (this.draft.verdict !== null) this.send(this.draft, 0);
    this.tell();
  }

  toggleCriterion(id: string): void {
    const value = this.draft.criteria[id];
    const next = value === true ? false : value === false ? null : true;
    const criteria = { ...this.draft.criteria, [id]: next };
    const follows = this.draft.verdict === "slump" && this.draft.probability === suggestedProbability(this.draft.criteria);
    this.edit({ criteria, ...(follows ? { probability: suggestedProbability(criteria) } : {}) });
  }

  // One key: verdict and next.
  decide(verdict: Verdict, change: Partial<Decision> = {}): Promise<void> {
    // A key that comes before the next candidate is shown must not judge the one before.
    if (this.item === null || this.readOnly || this.busy) return Promise.resolve();
    const slump = verdict === "slump";
    const decision: Decision = {
      ...this.draft,
      probability: slump ? (this.draft.probability ?? suggestedProbability(this.draft.criteria)) : null,
      reason: null,
      ...change,
      verdict,
      use_as_negative: verdict === "reject" && this.draft.use_as_negative,
      initiation: slump ? this.draft.initiation : null,
      headwall: verdict === "reject" ? null : this.draft.headwall,
    };
    this.last = { decision };
    this.send(decision, this.seconds());
    return this.step(1);
  }

  again(): Promise<void> {
    if (!this.last) return Promise.resolve();
    const { verdict, reason, probability, use_as_negative } = this.last.decision;
    this.draft = { ...this.draft, use_as_negative };
    return this.decide(verdict, verdict === "slump" ? { probability } : { reason });
  }

  take(opinion: Decision): Promise<void> {
    this.draft = { ...opinion };
    return this.decide(opinion.verdict, { probability: opinion.probability, reason: opinion.reason });
  }

  private seconds(): number {
    return Math.min((performance.now() - this.shownAt - this.hiddenFor) / 1000, LONGEST_S);
  }

  private send(decision: Decision, seconds: number): void {
    const item = this.item as number;
    const row = this.rows.get(item) as Row;
    if (seconds > 0) this.done.push(seconds);
    this.decisions.set(item, decision);
    this.rows.set(item, { ...row, verdict: decision.verdict, probability: decision.probability });
    this.acts.send(item, seconds, decision, () => this.versions.get(item) as number);
  }

  private saved(item: number, answer: Saved): void {
    this.versions.set(item, answer.version);
    this.left = answer.left;
    if ("area_ha" in answer.item) this.rows.set(item, { ...(this.rows.get(item) as Row), ...answer.item });
    if (item === this.item && answer.growth) this.growth = answer.growth;
    this.tell();
  }

  private refused(item: number, refusal: Refusal): void {
    const current = refusal.body.current as { version: number; decision: Decision } | undefined;
    const place = this.queue().findIndex((row) => row.item === item) + 1;
    let words = `Candidate ${place} was changed elsewhere; its present state is shown. Decide again.`;
    if (current) {
      this.adopt(item, current.version, current.decision);
    } else {
      const row = this.rows.get(item) as Row;
      this.rows.set(item, { ...row, verdict: null, probability: null });
      words = `Candidate ${place} was not saved: ${refusal.message}`;
    }
    const there = item === this.item ? Promise.resolve() : this.show(item);
    void there.then(() => this.say("error", words));
  }

  private adopt(item: number, version: number, decision: Decision): void {
    this.versions.set(item, version);
    this.decisions.set(item, decision);
    const row = this.rows.get(item) as Row;
    this.rows.set(item, { ...row, verdict: decision.verdict, probability: decision.probability });
    if (item === this.item) this.draft = { ...decision };
  }

  async undo(): Promise<void> {
    if (this.readOnly) return;
    await this.acts.settled();
    try {
      const answer = await api.undo(crypto.randomUUID(), this.tab);
      const item = answer.item.item;
      this.adopt(item, answer.version, answer.decision);
      await this.show(item);
      this.say("info", "The last act was taken back.");
    } catch (error) {
      this.say(error instanceof Refusal && error.status === 404 ? "info" : "error", (error as Error).message);
    }
  }

  async measure(): Promise<void> {
    const item = this.item;
    if (item === null) return;
    const growth = await api.growth(item, this.draft.boundary, this.draft.headwall).catch(() => null);
    if (item === this.item) this.growth = growth;
    this.tell();
  }

  async handIn(): Promise<void> {
    await this.acts.settled();
    try {
      const { decided, unsure, open, file } = await api.handIn(this.tab);
      this.say("info", `Handed in: ${decided} decided, ${unsure} unsure, ${open} open. File: ${file}`);
    } catch (error) {
      this.say("error", (error as Error).message);
    }
  }

  say(kind: "info" | "error", text: string): void {
    this.message = { kind, text };
    this.tell();
  }
}
