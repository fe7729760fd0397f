// Candidates with their pictures, decoded before they are needed, so that the next one is there at once.
import { api } from "./api";
import type { Item } from "./types";

export interface Loaded {
  data: Item;
  frames: ImageBitmap[];
  context: ImageBitmap;
  relief: ImageBitmap | null;
}

const KEPT = 16;

async function bitmap(url: string): Promise<ImageBitmap> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`A picture is missing (${url}).`);
  return createImageBitmap(await answer.blob());
}

async function load(item: number): Promise<Loaded> {
  const data = await api.item(item);
  const [context, relief, ...frames] = await Promise.all([
    bitmap(data.meta.context.url),
    data.meta.relief ? bitmap(data.meta.relief.url) : null,
    ...data.meta.frames.map((frame) => bitmap(frame.url)),
  ]);
  return { data, frames: frames as ImageBitmap[], context: context as ImageBitmap, relief };
}

export class Pictures {
  private readonly loading = new Map<number, Promise<Loaded>>();

  get(item: number): Promise<Loaded> {
    const known = this.loading.get(item);
    if (known) {
      // Moved to the end: the oldest are dropped first.
      this.loading.delete(item);
      this.loading.set(item, known);
      return known;
    }
    const started = load(item);
    started.catch(() => this.loading.delete(item));
    this.loading.set(item, started);
    if (this.loading.size > KEPT) this.drop(this.loading.keys().next().value as number);
    return started;
  }

  private drop(item: number): void {
    const old = this.loading.get(item);
    this.loading.delete(item);
    old?.then((loaded) => [loaded.context, loaded.relief, ...loaded.frames].forEach((picture) => picture?.close())).catch(() => undefined);
  }
}
