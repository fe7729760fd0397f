// Acts on their way to the server: one after the other, each repeated under its own name until it is answered.
import { api, Refusal, Unreachable } from "./api";
import type { Decision, Saved } from "./types";

const AGAIN_MS = 1500;

interface Act {
  item: number;
  act: string;
  seconds: number;
  decision: Decision;
  version: () => number;
}

export class Acts {
  private readonly waiting: Act[] = [];
  private running = false;
  trouble: string | null = null;
  taken = false;

  constructor(
    private readonly tab: string,
    private readonly saved: (item: number, answer: Saved) => void,
    private readonly refused: (item: number, refusal: Refusal) => void,
    private readonly changed: () => void,
  ) {}

  get pending(): number {
    return this.waiting.length;
  }

  send(item: number, seconds: number, decision: Decision, version: () => number): void {
    this.waiting.push({ item, act: crypto.randomUUID(), seconds, decision, version });
    this.changed();
    void this.run();
  }

  // Goes on after this window has taken over again; what waited was kept.
  resume(): void {
    this.taken = false;
    void this.run();
  }

  // Resolves when nothing is on its way any more.
  async settled(): Promise<void> {
    while (this.waiting.length && !this.taken) await new Promise((resolve) => setTimeout(resolve, 30));
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    while (this.waiting.length && !this.taken) await this.first();
    this.running = false;
    this.changed();
  }

  private async first(): Promise<void> {
    const { item, act, seconds, decision, version } = this.waiting[0];
    try {
      const answer = await api.decide(item, { act, tab: this.tab, version: version(), seconds, decision });
      this.waiting.shift();
      this.trouble = null;
      this.saved(item, answer);
    } catch (error) {
      if (error instanceof Unreachable) {
        this.trouble = error.message;
        this.changed();
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        return;
      }
      if (error instanceof Refusal && error.error === "taken") {
        this.taken = true;
        this.changed();
        return;
      }
      this.waiting.shift();
      this.refused(item, error instanceof Refusal ? error : new Refusal(0, "page", String(error), {}));
    }
  }
}
