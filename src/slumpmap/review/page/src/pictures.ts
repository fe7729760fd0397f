// Candidates with their pictures, decoded before they are needed, so that the next one is there at once.
import { api } from "./api";
import type { Item } from "./types";

export interface Loaded {
  data: Item;
  // Null: the picture could not be loaded, which the page says where it would be.
  frames: (ImageBitmap | null)[];
  context: ImageBitmap | null;
  relief: ImageBitmap | null;
}

const KEPT = 16;

async function bitmap(url: string): Promise<ImageBitmap | null> {
  try {
    const answer = await fetch(url);
    return answer.ok ? await createImageBitmap(await answer.blob()) : null;
  } catch {
    return null;
  }
}

async function load(item: number): Promise<Loaded> {
  const data = await api.item(item);
  const [context, relief, ...frames] = await Promise.all([
    bitmap(data.meta.context.url),
    data.meta.relief ? bitmap(data.meta.relief.url) : null,
    ...data.meta.frames.map((frame) => bitmap(frame.url)),
  ]);
  return { data, frames, context, relief };
}

const complete = ({ data, frames, context, relief }: Loaded): boolean =>
  context !== null && (relief !== null || data.meta.relief === null) && frames.every((frame) => frame !== null);

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
    const forget = () => this.loading.get(item) === started && this.loading.delete(item);
    // What is not whole is loaded again when it is wanted again.
    started.then((loaded) => complete(loaded) || forget(), forget);
    this.loading.set(item, started);
    if (this.loading.size > KEPT) this.drop(this.loading.keys().next().value as number);
    return started;
  }

  // The next one who wants it loads it again.
  forget(item: number): void {
    this.loading.delete(item);
  }

  private drop(item: number): void {
    const old = this.loading.get(item);
    this.loading.delete(item);
    old?.then((loaded) => [loaded.context, loaded.relief, ...loaded.frames].forEach((picture) => picture?.close())).catch(() => undefined);
  }
}
