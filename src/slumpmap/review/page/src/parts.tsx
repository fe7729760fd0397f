// Small parts of the page: the bar on top, the dates below, messages, dialogs.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Look } from "./app";
import { FILTERS, type Desk, type Filter } from "./desk";
import type { Group } from "./keys";
import type { Loaded } from "./pictures";
import { asGeometry } from "./viewer";

const FILTER_NAMES: Record<Filter, string> = { all: "all candidates", open: "open", slump: "slumps", reject: "rejected", unsure: "unsure", large: "1 ha and more" };

const duration = (seconds: number): string =>
  seconds >= 5400 ? `${(seconds / 3600).toFixed(1)} h` : seconds >= 90 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;

export function TopBar({ desk, onHelp, onJump }: { desk: Desk; onHelp: () => void; onJump: () => void }) {
  const queue = desk.queue();
  const place = queue.findIndex((row) => row.item === desk.item) + 1;
  const { total, decided, slumps } = desk.counts();
  const pace = desk.pace();
  const { campaign } = desk;
  return (
    <header>
      <div class="who">
        <strong>{campaign.campaign}</strong> iteration {campaign.iteration}, {campaign.reviewer}
        {campaign.role === "adjudicator" && <span class="role"> adjudicates</span>}
      </div>
      <button type="button" class="place" onClick={onJump} disabled={desk.engaged} title="Go to a number (J)">
        <span data-test="place">{place}</span> of <span data-test="listed">{queue.length}</span>
      </button>
      <label>
        <select aria-label="shown" title="What is shown (F)" value={desk.filter} data-test="filter" onChange={(event) => ((desk.filter = event.currentTarget.value as Filter), event.currentTarget.blur(), desk.tell())}>
          {FILTERS.map((name) => (
            <option value={name} key={name}>
              {FILTER_NAMES[name]}
            </option>
          ))}
        </select>
      </label>
      <label>
        <select aria-label="order" title="Order (P)" value={desk.order} data-test="order" onChange={(event) => ((desk.order = event.currentTarget.value as "value" | "place"), event.currentTarget.blur(), desk.tell())}>
          <option value="value">by value</option>
          <option value="place">by place</option>
        </select>
      </label>
      <div class="progress">
        <progress value={decided} max={Math.max(total, 1)} aria-label="decided" />
        <span>
          <span data-test="decided">{decided}</span> of {total}, <span data-test="slumps">{slumps}</span> {slumps === 1 ? "slump" : "slumps"}
          {pace && ` · ${Math.round(pace.perHour)}/h, ${duration(pace.secondsLeft)} left`}
        </span>
        {desk.left && (
          <span data-test="left" title="by the ranking and the verdicts so far; nine times in ten it is in the range">
            · about {desk.left.expected.toFixed(desk.left.expected < 9.5 ? 1 : 0)} more to find ({desk.left.low}–{desk.left.high})
          </span>
        )}
      </div>
      <Saving desk={desk} />
      <button type="button" onClick={() => void desk.handIn()} disabled={desk.readOnly} data-test="hand-in">
        Hand in
      </button>
      <button type="button" onClick={onHelp} aria-label="Keys" title="Keys (?)" data-test="help">
        ?
      </button>
    </header>
  );
}

function Saving({ desk }: { desk: Desk }) {
  const { pending, trouble } = desk.acts;
  const state = trouble ? "trouble" : pending ? "saving" : "saved";
  const words = { trouble: `not saved: ${pending}`, saving: "saving", saved: "saved" }[state];
  return (
    <span class={`saving ${state}`} data-test="saved" role="status" title={trouble ?? ""}>
      {words}
    </span>
  );
}

export function Strip({ loaded, look, change }: { loaded: Loaded; look: Look; change: (part: Partial<Look>) => void }) {
  const { meta } = loaded.data;
  return (
    <nav class="strip" aria-label="Dates">
      <button type="button" class="play" onClick={() => change({ playing: look.playing === "play" ? "no" : "play" })} title="Play and pause (Space)" data-test="play">
        {look.playing === "no" ? "▶" : "❚❚"}
      </button>
      {meta.frames.map((frame, number) => (
        <button
          type="button"
          key={frame.url}
          class={`thumb ${frame.state} ${number === look.frame && !look.relief ? "now" : ""} ${look.side && number === look.other ? "beside" : ""}`}
          onClick={(event) => (event.shiftKey ? change({ other: number, side: true }) : change({ frame: number, relief: false, playing: "no" }))}
          title={`${frame.source} ${frame.dates.join(", ")}; with Shift: beside`}
          data-test="thumb"
        >
          <Thumb picture={loaded.frames[number]} loaded={loaded} />
          <span>
            {frame.label}
            {frame.state !== "ok" && <em> {{ partly: "partly", cloudy: "cloud", missing: "none" }[frame.state]}</em>}
          </span>
        </button>
      ))}
      {meta.relief && (
        <button type="button" class={`thumb ${look.relief ? "now" : ""}`} onClick={() => change({ relief: !look.relief, playing: "no" })} data-test="relief">
          <Thumb picture={loaded.relief} loaded={loaded} />
          <span>relief</span>
        </button>
      )}
      <div class="sliders">
        <label>
          brightness
          <input type="range" min="0.4" max="2" step="0.05" value={look.brightness} onInput={(event) => change({ brightness: Number(event.currentTarget.value) })} />
        </label>
        <label>
          contrast
          <input type="range" min="0.4" max="2.5" step="0.05" value={look.contrast} onInput={(event) => change({ contrast: Number(event.currentTarget.value) })} />
        </label>
      </div>
    </nav>
  );
}

const THUMB_PX = 128;
// Ground round the candidate that a thumbnail shows, in sizes of the candidate, and the least of it, metres.
const THUMB_SIZES = 2;
const THUMB_LEAST_M = 240;

// A picture cut to the candidate: the whole chip would be too small to see what changes.
function Thumb({ picture, loaded }: { picture: ImageBitmap | null; loaded: Loaded }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, THUMB_PX, THUMB_PX);
    if (!picture) return;
    const { bounds, outline } = loaded.data.meta;
    const extent = asGeometry(outline).getExtent();
    const whole = bounds[2] - bounds[0];
    const wanted = Math.max(THUMB_SIZES * Math.max(extent[2] - extent[0], extent[3] - extent[1]), THUMB_LEAST_M);
    const side = (picture.width * Math.min(wanted, whole)) / whole;
    const start = (picture.width - side) / 2;
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, start, start, side, side, 0, 0, THUMB_PX, THUMB_PX);
  }, [picture]);
  return <canvas ref={canvas} width={THUMB_PX} height={THUMB_PX} />;
}

export function Message({ desk }: { desk: Desk }) {
  if (desk.taken)
    return (
      <div class="message error" role="alert" data-test="taken">
        {desk.taken} This one only shows.
        <button type="button" onClick={() => void desk.enter(true)} data-test="take-over">
          Take over here
        </button>
      </div>
    );
  const { pending, trouble } = desk.acts;
  if (trouble || desk.unreachable)
    return (
      <div class="message error" role="alert" data-test="message">
        {trouble ?? "The server cannot be reached."}{" "}
        {pending ? `${pending === 1 ? "An act is" : `${pending} acts are`} not saved yet: leave this window open. It tries again by itself.` : "All that was decided is saved."}
        <button type="button" onClick={() => void desk.live()}>
          Try now
        </button>
      </div>
    );
  if (!desk.message) return null;
  return (
    <div class={`message ${desk.message.kind}`} role={desk.message.kind === "error" ? "alert" : "status"} data-test="message">
      {desk.message.text}
      <button type="button" aria-label="Close" onClick={() => ((desk.message = null), desk.tell())}>
        ×
      </button>
    </div>
  );
}

export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label={title} data-test="dialog" onClose={close} onClick={(event) => event.target === dialog.current && close()}>
      <div class="inside">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

export function Help({ groups, close }: { groups: Group[]; close: () => void }) {
  return (
    <Dialog title="Keys" close={close}>
      <div class="keys">
        {groups.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.bindings.filter(({ shown }) => shown).map((binding) => (
                <div key={binding.shown}>
                  <dt>
                    <kbd>{binding.shown}</kbd>
                  </dt>
                  <dd>{binding.what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
