// Acts on their way to the server: one after the other, each repeated under its own name until it is answered.
import { api, Refusal, Unreachable } from "./api";
import type { Decision, Saved } from "./types";

const AGAIN_MS = 1500;

interface Deciding {
  kind: "decide";
  act: string;
  item: number;
  seconds: number;
  decision: Decision;
}
interface Undoing {
  kind: "undo";
  act: string;
  // The act of this window that it takes back; null: one from before the page was opened.
  of: string | null;
}
export type Act = Deciding | Undoing;

interface Listener {
  version: (item: number) => number;
  saved: (act: Act, answer: Saved) => void;
  refused: (act: Act, refusal: Refusal) => void;
  changed: () => void;
}

export class Acts {
  private waiting: Act[] = [];
  // Names of the acts that an undo would take back, the last one last.
  private readonly done: string[] = [];
  private running = false;
  private wake: () => void = () => undefined;
  trouble: string | null = null;
  taken = false;

  constructor(
    private readonly tab: string,
    private readonly listener: Listener,
  ) {}

  get pending(): number {
    return this.waiting.length;
  }

  concerns(item: number): boolean {
    return this.waiting.some((act) => act.kind === "decide" && act.item === item);
  }

  decide(item: number, seconds: number, decision: Decision): void {
    const act = crypto.randomUUID();
    this.done.push(act);
    this.push({ kind: "decide", act, item, seconds, decision });
  }

  // An undo goes the way of all acts: behind those that it follows, and again until it is answered.
  undo(): void {
    this.push({ kind: "undo", act: crypto.randomUUID(), of: this.done.pop() ?? null });
  }

  // Goes on after this window has taken over again; what waited was kept.
  resume(): void {
    this.taken = false;
    void this.run();
  }

  // Tries again at once, for one who knows that the server is back.
  again(): void {
    this.wake();
  }

  // Resolves when nothing is on its way any more.
  async settled(): Promise<void> {
    while (this.waiting.length && !this.taken && !this.trouble) await new Promise((resolve) => setTimeout(resolve, 30));
  }

  private push(act: Act): void {
    this.waiting.push(act);
    this.listener.changed();
    void this.run();
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    while (this.waiting.length && !this.taken) await this.first();
    this.running = false;
    this.listener.changed();
  }

  private async first(): Promise<void> {
    const act = this.waiting[0];
    try {
      const answer = await this.deliver(act);
      this.waiting.shift();
      this.trouble = null;
      this.listener.saved(act, answer);
    } catch (error) {
      if (error instanceof Unreachable) {
        this.trouble = error.message;
        this.listener.changed();
        await new Promise<void>((resolve) => ((this.wake = resolve), setTimeout(resolve, AGAIN_MS)));
      } else if (error instanceof Refusal && error.error === "taken") {
        this.taken = true;
        this.listener.changed();
      } else {
        this.trouble = null;
        this.drop(act);
        this.listener.refused(act, error instanceof Refusal ? error : new Refusal(0, "page", String(error), {}));
      }
    }
  }

  private deliver(act: Act): Promise<Saved> {
    if (act.kind === "undo") return api.undo(act.act, this.tab);
    const { item, seconds, decision } = act;
    return api.decide(item, { act: act.act, tab: this.tab, version: this.listener.version(item), seconds, decision });
  }

  // What was refused takes along what was built on it: later acts on the same candidate, and the undoing of any of them.
  private drop(refused: Act): void {
    const gone = new Set([refused.act]);
    if (refused.kind === "decide")
      this.waiting.forEach((act) => {
        if (act.kind === "decide" && act.item === refused.item) gone.add(act.act);
      });
    this.waiting.forEach((act) => {
      if (act.kind === "undo" && act.of !== null && gone.has(act.of)) gone.add(act.act);
    });
    this.waiting = this.waiting.filter((act) => !gone.has(act.act));
    this.done.splice(0, this.done.length, ...this.done.filter((act) => !gone.has(act)));
  }
}
