// The reviewer's desk: which candidate lies on it, what is thought of it, and what is on its way to the server.
import { Acts, type Act } from "./acts";
import { api, leave, Refusal, Unreachable } from "./api";
import { Pictures, type Loaded } from "./pictures";
import type { Campaign, Decision, Growth, Left, Row, Saved, Verdict } from "./types";

export type Filter = "all" | "open" | "slump" | "reject" | "unsure" | "large";
export type Order = "value" | "place";
interface Measured {
  item: number;
  growth: Growth;
}
export const FILTERS: Filter[] = ["all", "open", "slump", "reject", "unsure", "large"];
const LARGE_HA = 1;
const AHEAD = 5;
// Nobody looks at one candidate for longer without a pause.
const LONGEST_S = 600;
// The server takes a window that is silent for 90 s to be closed.
const SIGN_OF_LIFE_MS = 25_000;
const TAKEN = "Another window works under your name.";

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
  // The slump that was decided last, with what was measured of it: the next candidate is on the desk by then.
  private before: Measured | null = null;
  // Something is being drawn, which nothing may push off the desk.
  engaged = false;
  unreachable = false;
  message: { kind: "info" | "error"; text: string } | null = null;
  taken: string | null = null;
  busy = false;
  private versions = new Map<number, number>();
  // What the reviewer said last of a candidate, and what of it is saved.
  private decisions = new Map<number, Decision>();
  private kept = new Map<number, Decision>();
  private last: Decision | null = null;
  private wanted: number | null = null;
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
    this.acts = new Acts(this.tab, {
      version: (item) => this.versions.get(item) as number,
      saved: (act, answer) => this.saved(act, answer),
      refused: (act, refusal) => this.refused(act, refusal),
      changed: () => this.tell(),
    });
    setInterval(() => void this.live(), SIGN_OF_LIFE_MS);
    addEventListener("focus", () => void this.live());
    // The browser may bring a page back that was left, as it was.
    addEventListener("pageshow", (event) => void (event.persisted && this.enter(false)));
    addEventListener("pagehide", () => leave(this.tab));
    document.addEventListener("visibilitychange", () => this.visibility());
    addEventListener("beforeunload", (event) => {
      // A note that is being written is an act from the moment that its field is left.
      (document.activeElement as HTMLElement | null)?.blur();
      if (this.acts.pending || this.engaged) event.preventDefault();
    });
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  onShow(listener: (loaded: Loaded) => void): void {
    this.shown.push(listener);
  }

  tell(): void {
    if (this.acts.taken && !this.taken) this.taken = TAKEN;
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
      if (takeOver) await this.refresh();
      this.taken = null;
      this.acts.resume();
    } catch (error) {
      if (error instanceof Refusal && error.error === "taken") this.taken = TAKEN;
      else this.say("error", (error as Error).message);
    }
    this.tell();
  }

  // Tells the server that this window is open, and notices at once when it is another's turn or nobody answers.
  async live(): Promise<void> {
    if (this.taken) return;
    const away = this.unreachable;
    try {
      await api.session(this.tab, false);
      this.unreachable = false;
      this.acts.again();
    } catch (error) {
      this.unreachable = error instanceof Unreachable;
      if (error instanceof Refusal && error.error === "taken") this.taken = TAKEN;
    }
    if (this.taken || away !== this.unreachable) this.tell();
  }

  // Another window may have decided meanwhile. What is still on its way from here keeps the version that it was based on.
  private async refresh(): Promise<void> {
    const { items, left } = await api.items();
    this.left = left;
    items
      .filter(({ item }) => !this.acts.concerns(item))
      .forEach((row) => {
        if (row.version !== this.versions.get(row.item)) this.pictures.forget(row.item);
        if (row.version !== this.versions.get(row.item)) this.decisions.delete(row.item);
        this.rows.set(row.item, row);
        this.versions.set(row.item, row.version);
      });
    if (this.item !== null && !this.engaged) await this.show(this.item);
  }

  start(): Promise<void> {
    const queue = this.queue();
    const first = queue.find((row) => row.verdict === null) ?? queue[0];
    return first ? this.show(first.item) : Promise.resolve();
  }

  async show(item: number): Promise<void> {
    let loaded: Loaded;
    this.wanted = item;
    this.busy = true;
    this.message = null;
    try {
      loaded = await this.pictures.get(item);
    } catch (error) {
      if (this.wanted !== item) return;
      this.busy = false;
      this.say("error", `Candidate ${this.placeOf(item)} cannot be shown: ${(error as Error).message}`);
      return;
    }
    // Another one was asked for while this one was on its way.
    if (this.wanted !== item) return;
    this.busy = false;
    this.current = loaded;
    if (!this.kept.has(item)) this.kept.set(item, loaded.data.decision);
    this.draft = this.decisions.get(item) ?? { ...loaded.data.decision };
    this.growth = null;
    this.shownAt = performance.now();
    this.hiddenFor = 0;
    this.shown.forEach((listener) => listener(loaded));
    this.tell();
    this.prefetch();
    if (this.draft.verdict === "slump") void this.measure();
  }

  placeOf(item: number): number {
    return this.queue().findIndex((row) => row.item === item) + 1;
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
      this.say("info", by > 0 ? this.endOfList() : "This is the first candidate of the list.");
      return Promise.resolve();
    }
    return this.show(next.item);
  }

  private endOfList(): string {
    const { total, decided } = this.counts();
    const open = total - decided;
    return open ? `This is the last candidate of the list. Open: ${open} (F shows them).` : "All candidates are decided: hand in when you are content.";
  }

  jump(place: number): Promise<void> {
    const row = this.queue()[place - 1];
    if (row) return this.show(row.item);
    this.say("info", `There is no candidate ${place} in this list.`);
    return Promise.resolve();
  }

  // A change is saved at once, before the verdict too: whoever ticks or draws and goes on must not lose it.
  edit(change: Partial<Decision>): void {
    if (this.item === null || this.refusesKeys()) return;
    this.send(this.item, { ...this.draft, ...change }, 0);
    this.tell();
  }

  // What was measured: of the slump on the desk, else of the one decided just before, since the next one is shown by then.
  get measured(): Measured | null {
    const { item, growth } = this;
    return item !== null && growth && this.row?.verdict === "slump" ? { item, growth } : this.before;
  }

  // The initiation that was measured is confirmed.
  confirmInitiation(): void {
    const { measured } = this;
    const initiation = measured?.growth.initiation;
    const decision = measured && this.opinionOf(measured.item);
    if (!initiation || !decision || this.refusesKeys()) return;
    this.send(measured.item, { ...decision, initiation }, 0);
    if (measured.item === this.item) this.tell();
    else this.say("info", `Candidate ${this.placeOf(measured.item)}: initiation ${initiation} is confirmed.`);
  }

  // What was said last of a candidate that is on the desk or was on it.
  opinionOf(item: number): Decision | undefined {
    return item === this.item ? this.draft : this.decisions.get(item);
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
    if (this.item === null || this.refusesKeys()) return Promise.resolve();
    const said = { ...this.draft, reason: null, ...change };
    const slump = verdict === "slump";
    const decision: Decision = {
      ...said,
      verdict,
      probability: slump ? (said.probability ?? suggestedProbability(said.criteria)) : null,
      use_as_negative: verdict === "reject" && said.use_as_negative,
      initiation: slump ? said.initiation : null,
      headwall: verdict === "reject" ? null : said.headwall,
    };
    this.last = decision;
    this.send(this.item, decision, this.seconds());
    return this.step(1);
  }

  private refusesKeys(): boolean {
    // A key that comes before the next candidate is shown must not judge the one before; nor is it swallowed silently.
    if (this.busy) this.say("info", "The candidate was not shown yet: nothing was noted.");
    return this.busy || this.readOnly;
  }

  again(): Promise<void> {
    if (!this.last) return Promise.resolve();
    const { verdict, reason, probability, use_as_negative } = this.last;
    return this.decide(verdict, { reason, probability, use_as_negative });
  }

  // Another's opinion as a whole becomes one's own.
  take(opinion: Decision): Promise<void> {
    return this.decide(opinion.verdict, opinion);
  }

  private seconds(): number {
    return Math.min((performance.now() - this.shownAt - this.hiddenFor) / 1000, LONGEST_S);
  }

  private send(item: number, decision: Decision, seconds: number): void {
    const row = this.rows.get(item) as Row;
    if (seconds > 0) {
      this.done.push(seconds);
      // The time is counted once, even if the candidate stays on the desk.
      this.shownAt = performance.now();
      this.hiddenFor = 0;
    }
    if (item === this.item) this.draft = decision;
    this.decisions.set(item, decision);
    this.rows.set(item, { ...row, verdict: decision.verdict, probability: decision.probability });
    this.acts.decide(item, seconds, decision);
  }

  private saved(act: Act, answer: Saved): void {
    const item = answer.item.item;
    this.left = answer.left;
    if (act.kind === "undo") {
      this.takenBack(item, answer);
      return;
    }
    this.versions.set(item, answer.version);
    this.kept.set(item, answer.decision);
    if ("area_ha" in answer.item) {
      // What is on its way already was said later than this answer.
      const { verdict, probability } = this.rows.get(item) as Row;
      const later = this.acts.concerns(item) ? { verdict, probability } : {};
      this.rows.set(item, { ...(this.rows.get(item) as Row), ...answer.item, ...later });
    }
    if (item === this.item) this.growth = answer.growth ?? null;
    // Until the next verdict it is the one decided just before.
    if (answer.growth) this.before = { item, growth: answer.growth };
    else if (answer.decision.verdict !== null) this.before = null;
    this.tell();
  }

  private takenBack(item: number, answer: Saved): void {
    this.adopt(item, answer.version, answer.decision);
    if (this.before?.item === item) this.before = null;
    void this.comeBack(item).then(() => this.say("info", `Taken back: candidate ${this.placeOf(item)} is as it was before.`));
  }

  // To the candidate that something has to be said of, unless that would push a drawing off the desk.
  private comeBack(item: number): Promise<void> {
    return item === this.item || this.engaged ? Promise.resolve() : this.show(item);
  }

  private refused(act: Act, refusal: Refusal): void {
    if (act.kind === "undo") {
      this.say(refusal.error === "nothing" ? "info" : "error", refusal.message);
      return;
    }
    const { item } = act;
    const current = refusal.body.current as { version: number; decision: Decision } | undefined;
    if (current) this.adopt(item, current.version, current.decision);
    else this.adopt(item, this.versions.get(item) as number, this.kept.get(item) ?? EMPTY);
    const words = current
      ? `Candidate ${this.placeOf(item)} was changed elsewhere; its present state is shown. Decide again.`
      : `Candidate ${this.placeOf(item)} was not saved: ${refusal.message}`;
    void this.comeBack(item).then(() => this.say("error", words));
  }

  private adopt(item: number, version: number, decision: Decision): void {
    this.versions.set(item, version);
    this.kept.set(item, decision);
    // What is on its way already was said later.
    if (this.acts.concerns(item)) return;
    this.decisions.set(item, decision);
    const row = this.rows.get(item) as Row;
    this.rows.set(item, { ...row, verdict: decision.verdict, probability: decision.probability });
    if (item === this.item) this.draft = { ...decision };
    if (item === this.item) this.growth = null;
  }

  undo(): void {
    if (!this.refusesKeys()) this.acts.undo();
  }

  private async measure(): Promise<void> {
    const { item } = this;
    if (item === null) return;
    const growth = await api.growth(item, this.draft.boundary, this.draft.headwall).catch(() => null);
    if (item === this.item) this.growth = growth;
    this.tell();
  }

  async handIn(): Promise<void> {
    await this.acts.settled();
    if (this.acts.pending) {
      this.say("error", "Not handed in: there are acts that are not saved yet.");
      return;
    }
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
