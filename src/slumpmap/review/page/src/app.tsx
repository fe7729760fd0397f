// The page: views on the left, what is thought of the candidate on the right, dates below.
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { FILTERS, type Desk, type Filter } from "./desk";
import { Editor, type Tool } from "./editor";
import { listen, type Group } from "./keys";
import { EditPanel, Panel } from "./panels";
import { Dialog, Help, Message, Strip, TopBar } from "./parts";
import type { Loaded } from "./pictures";
import type { Bounds } from "./types";
import { COLOURS, sharedView, Viewer, type Ground } from "./viewer";

const PLAY_MS = 700;
const BLINK_MS = 350;

export interface Look {
  frame: number;
  other: number;
  side: boolean;
  relief: boolean;
  outline: boolean;
  around: boolean;
  brightness: number;
  contrast: number;
  playing: "no" | "play" | "blink";
}
const LOOK: Look = { frame: 0, other: 0, side: false, relief: false, outline: true, around: true, brightness: 1, contrast: 1, playing: "no" };

export function App({ desk }: { desk: Desk }) {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [look, setLook] = useState<Look>(LOOK);
  const [dialog, setDialog] = useState<"help" | "jump" | null>(null);
  const [editor, setEditor] = useState<Editor | null>(null);
  const left = useRef<HTMLDivElement>(null);
  const right = useRef<HTMLDivElement>(null);
  const viewers = useRef<Viewer[]>([]);
  const change = (part: Partial<Look>) => setLook((before) => ({ ...before, ...part }));

  useEffect(() => {
    const view = sharedView();
    viewers.current = [new Viewer(left.current as HTMLDivElement, view), new Viewer(right.current as HTMLDivElement, view)];
    desk.onChange(() => redraw(null));
    desk.onShow(({ data }) => {
      setEditor((open) => (open?.close(), null));
      setLook((before) => ({ ...before, frame: data.meta.mapping_frame, other: 0, relief: false, playing: "no" }));
    });
  }, []);

  const loaded = desk.current;
  useLayoutEffect(() => {
    if (loaded) paint(viewers.current, loaded, look, desk, editor);
  });
  const shown = useRef(0);
  useLayoutEffect(() => {
    // Here the page has its final layout, which the first candidate brings about.
    if (!loaded) return;
    fit(viewers.current[0], loaded.data.meta.bounds);
    mark(viewers.current[0], shown.current === 0);
    shown.current += 1;
  }, [loaded]);
  usePlaying(look, loaded, change);

  const groups = useMemo(() => bindings(desk, () => look, change, loaded, viewers, editor, setEditor, setDialog), [look, loaded, editor]);
  const current = useRef(groups);
  current.current = dialog === null ? groups : [closing(() => setDialog(null))];
  useEffect(() => listen(() => current.current), []);

  return (
    <main class={look.side ? "side" : ""}>
      <TopBar desk={desk} onHelp={() => setDialog("help")} onJump={() => setDialog("jump")} />
      <section class="stage" aria-label="Images">
        <div class="view" ref={left}>
          {loaded && <Badge loaded={loaded} number={look.frame} relief={look.relief} test="frame" />}
          {loaded && <Arrows uphill={loaded.data.meta.uphill_deg} />}
        </div>
        <div class="view second" ref={right}>
          {loaded && <Badge loaded={loaded} number={look.other} relief={false} test="frame-other" />}
        </div>
        {desk.queue().length === 0 && <p class="empty">There is nothing to inspect in this iteration.</p>}
      </section>
      {loaded && <Strip loaded={loaded} look={look} change={change} />}
      <aside>
        {editor ? (
          <EditPanel editor={editor} mmu={desk.campaign.mmu_ha} keep={() => keep(desk, editor, setEditor)} cancel={() => cancel(editor, setEditor)} />
        ) : (
          loaded && <Panel desk={desk} loaded={loaded} edit={() => startEditing(desk, viewers, setEditor)} />
        )}
      </aside>
      <Message desk={desk} />
      {dialog === "help" && <Help groups={groups} close={() => setDialog(null)} />}
      {dialog === "jump" && (
        <Dialog title="Go to candidate" close={() => setDialog(null)}>
          <JumpForm go={(place) => (setDialog(null), void desk.jump(place))} />
        </Dialog>
      )}
    </main>
  );
}

function JumpForm({ go }: { go: (place: number) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <form onSubmit={(event) => (event.preventDefault(), go(Number(field.current?.value)))}>
      <input ref={field} type="number" min={1} required aria-label="Number in the list" data-test="jump" />
      <button type="submit">Go</button>
    </form>
  );
}

function Badge({ loaded, number, relief, test }: { loaded: Loaded; number: number; relief: boolean; test: string }) {
  const frame = loaded.data.meta.frames[number];
  const words = { ok: "", partly: "partly seen", cloudy: "cloud", missing: "no image" }[frame.state];
  const days = frame.dates.filter((day) => day !== frame.date).join(", ");
  return (
    <div class="badge" data-test={test}>
      <strong>{relief ? "Relief" : frame.label}</strong>
      {relief ? ` contours every ${loaded.data.meta.relief?.contour_m} m` : ` ${days}`}
      {!relief && words && <em> {words}</em>}
    </div>
  );
}

function Arrows({ uphill }: { uphill: number | null }) {
  return (
    <svg class="arrows" viewBox="0 0 110 64" role="img" aria-label={uphill === null ? "north is up" : `north is up, uphill is ${Math.round(uphill)} degrees`}>
      <g transform="translate(28 36)">
        <path d="M0 -18 L7 12 L0 6 L-7 12 Z" />
        <text y="-22">N</text>
      </g>
      {uphill !== null && (
        <g transform="translate(80 36)">
          <path class="uphill" transform={`rotate(${uphill})`} d="M0 -18 L8 -4 L3 -4 L3 16 L-3 16 L-3 -4 L-8 -4 Z" data-test="uphill" />
          <text y="-22">uphill</text>
        </g>
      )}
    </svg>
  );
}

function fit(viewer: Viewer, bounds: Bounds): void {
  viewer.map.updateSize();
  // The size is named, since the view would else take that of the hidden second map.
  viewer.map.getView().fit(bounds, { size: viewer.map.getSize(), padding: [8, 8, 8, 8] });
}

// What a reviewer waits for: the time from the key to the picture on the screen.
let pressed = 0;
addEventListener("keydown", () => (pressed = performance.now()), true);
addEventListener("pointerdown", () => (pressed = performance.now()), true);

function mark(viewer: Viewer, first: boolean): void {
  viewer.painted(() => {
    if (first) performance.mark("page-up");
    else performance.measure("next-candidate", { start: pressed, end: performance.now() });
  });
}

function paint(viewers: Viewer[], loaded: Loaded, look: Look, desk: Desk, editor: Editor | null): void {
  const { meta } = loaded.data;
  const wide: Ground = { bounds: meta.context.bounds, picture: loaded.context };
  const chip = (picture: ImageBitmap): Ground[] => [wide, { bounds: meta.bounds, picture }];
  viewers[0].show(chip(look.relief && loaded.relief ? loaded.relief : loaded.frames[look.frame]));
  viewers[1].show(chip(loaded.frames[look.other]));
  const boundary = desk.draft.boundary ?? meta.outline;
  const opinions = loaded.data.opinions.map((opinion, number) => ({
    kind: "drawn" as const,
    geometry: opinion.decision.boundary ?? meta.outline,
    colour: COLOURS.opinions[number],
  }));
  const own = opinions.length && !desk.draft.boundary ? opinions : [{ kind: desk.draft.boundary ? ("drawn" as const) : ("outline" as const), geometry: boundary }];
  const headwall = desk.draft.headwall ? [{ kind: "headwall" as const, geometry: desk.draft.headwall }] : [];
  for (const viewer of viewers) {
    viewer.light(look.brightness, look.contrast);
    viewer.setAround(meta.around);
    viewer.setOutlines([...own, ...headwall]);
    viewer.outlineLayer.setVisible(look.outline && editor === null);
    viewer.aroundLayer.setVisible(look.around);
  }
}

function usePlaying(look: Look, loaded: Loaded | null, change: (part: Partial<Look>) => void): void {
  useEffect(() => {
    if (look.playing === "no" || !loaded) return undefined;
    const { frames, mapping_frame } = loaded.data.meta;
    const shown = frames.map((_, number) => number).filter((number) => frames[number].state !== "missing");
    const turns = look.playing === "play" ? shown : [shown.filter((number) => number !== mapping_frame)[0] ?? 0, mapping_frame];
    const timer = setInterval(
      () => change({ frame: turns[(turns.indexOf(look.frame) + 1) % turns.length], relief: false }),
      look.playing === "play" ? PLAY_MS : BLINK_MS,
    );
    return () => clearInterval(timer);
  }, [look.playing, look.frame, loaded]);
}

type SetEditor = (editor: Editor | null) => void;

function startEditing(desk: Desk, viewers: { current: Viewer[] }, setEditor: SetEditor, tool: Tool = "corners"): void {
  if (!desk.current || desk.readOnly) return;
  const { data } = desk.current;
  const drawn = desk.draft.boundary;
  const [viewer] = viewers.current;
  let opened: Editor | null = null;
  opened = new Editor(viewer, data.item, drawn ?? data.meta.outline, desk.draft.headwall, () => opened && (setEditor(opened), desk.tell()));
  setEditor(opened);
  // A traced outline follows the pixels: nobody wants to move stairs.
  if (!drawn) void opened.ask("simplify").then(() => opened?.use(tool));
  else opened.use(tool);
}

function keep(desk: Desk, editor: Editor, setEditor: SetEditor): void {
  if (editor.facts && !editor.facts.valid) {
    desk.say("error", `The boundary cannot be kept: ${editor.facts.why}. Move the corner, or repair it.`);
    return;
  }
  const { boundary, headwall } = editor.now;
  editor.close();
  setEditor(null);
  desk.edit({ boundary, headwall });
  if (desk.draft.verdict === "slump") void desk.measure();
}

function cancel(editor: Editor, setEditor: SetEditor): void {
  editor.close();
  setEditor(null);
}

const closing = (close: () => void): Group => ({
  title: "Dialog",
  bindings: [{ keys: ["Escape", "?"], shown: "Esc", what: "close", run: close }],
});

function bindings(
  desk: Desk,
  look: () => Look,
  change: (part: Partial<Look>) => void,
  loaded: Loaded | null,
  viewers: { current: Viewer[] },
  editor: Editor | null,
  setEditor: SetEditor,
  setDialog: (dialog: "help" | "jump" | null) => void,
): Group[] {
  if (editor) return [editing(desk, editor, setEditor)];
  const { campaign } = desk;
  const count = loaded?.data.meta.frames.length ?? 1;
  const turn = (by: number) => change({ frame: (look().frame + by + count) % count, relief: false, playing: "no" });
  const play = (kind: "play" | "blink") => change({ playing: look().playing === kind ? "no" : kind });
  const zoom = (by: number) => {
    const view = viewers.current[0].map.getView();
    view.setResolution((view.getResolution() as number) * by);
  };
  const slump = (probability: "high" | "medium" | "low") => () => void desk.decide("slump", { probability });
  const nextFilter = (): Filter => FILTERS[(FILTERS.indexOf(desk.filter) + 1) % FILTERS.length];
  const verdicts: Group = {
    title: "Verdict and next",
    bindings: [
      { keys: ["a", "Enter"], shown: "A", what: "slump, probability as the criteria suggest", run: () => void desk.decide("slump") },
      { keys: ["h"], shown: "H", what: "slump, high probability", run: slump("high") },
      { keys: ["m"], shown: "M", what: "slump, medium", run: slump("medium") },
      { keys: ["l"], shown: "L", what: "slump, low", run: slump("low") },
      { keys: ["x"], shown: "X", what: "reject, without a reason", run: () => void desk.decide("reject") },
      ...campaign.reasons.map((reason, number) => ({
        keys: [String(number + 1)],
        shown: String(number + 1),
        what: `reject: ${reason.label.toLowerCase()}`,
        run: () => void desk.decide("reject", { reason: reason.id }),
      })),
      ...(campaign.role === "reviewer" ? [{ keys: ["0"], shown: "0", what: "unsure: the adjudicator decides", run: () => void desk.decide("unsure") }] : []),
      ...(loaded?.data.opinions ?? []).map((opinion, number) => ({
        keys: ["ABC"[number]],
        shown: `Shift+${"ABC"[number]}`,
        what: `take ${opinion.reviewer}'s opinion`,
        run: () => void desk.take(opinion.decision),
      })),
      { keys: ["."], shown: ".", what: "the last verdict again", run: () => void desk.again() },
      { keys: ["u"], shown: "U", what: "take back the last act", run: () => void desk.undo() },
    ],
  };
  const details: Group = {
    title: "This candidate",
    bindings: [
      ...campaign.criteria.map((criterion, number) => ({
        keys: ["qwer"[number]],
        shown: "QWER"[number],
        what: criterion.label.toLowerCase(),
        run: () => desk.toggleCriterion(criterion.id),
      })),
      { keys: ["i"], shown: "I", what: "next initiation group", run: () => desk.edit({ initiation: after(campaign.initiation_groups, desk.draft.initiation) }) },
      { keys: ["n"], shown: "N", what: "use as negative, if rejected", run: () => desk.edit({ use_as_negative: !desk.draft.use_as_negative }) },
      { keys: ["/"], shown: "/", what: "write a note", run: () => document.querySelector<HTMLElement>("[data-test=note]")?.focus() },
      { keys: ["g"], shown: "G", what: "edit the boundary", run: () => startEditing(desk, viewers, setEditor) },
      { keys: ["d"], shown: "D", what: "draw the headwall", run: () => startEditing(desk, viewers, setEditor, "headwall") },
    ],
  };
  const moving: Group = {
    title: "Moving",
    bindings: [
      { keys: ["ArrowDown", "PageDown"], shown: "↓", what: "next candidate", run: () => void desk.step(1) },
      { keys: ["ArrowUp", "PageUp"], shown: "↑", what: "previous candidate", run: () => void desk.step(-1) },
      { keys: ["j"], shown: "J", what: "go to a number", run: () => setDialog("jump") },
      { keys: ["f"], shown: "F", what: "next filter", run: () => ((desk.filter = nextFilter()), desk.tell()) },
      { keys: ["p"], shown: "P", what: "order by place or by value", run: () => ((desk.order = desk.order === "value" ? "place" : "value"), desk.tell()) },
      { keys: ["?"], shown: "?", what: "these keys", run: () => setDialog("help") },
    ],
  };
  const images: Group = {
    title: "Images",
    bindings: [
      { keys: ["ArrowRight"], shown: "→", what: "next date", run: () => turn(1) },
      { keys: ["ArrowLeft"], shown: "←", what: "previous date", run: () => turn(-1) },
      { keys: ["Space"], shown: "Space", what: "play and pause", run: () => play("play") },
      { keys: ["b"], shown: "B", what: "blink first and mapping year", run: () => play("blink") },
      { keys: ["s"], shown: "S", what: "two dates side by side", run: () => change({ side: !look().side }) },
      { keys: ["v"], shown: "V", what: "relief with contours", run: () => loaded?.relief && change({ relief: !look().relief, playing: "no" }) },
      { keys: ["o"], shown: "O", what: "outline on and off", run: () => change({ outline: !look().outline }) },
      { keys: ["k"], shown: "K", what: "known slumps and neighbours", run: () => change({ around: !look().around }) },
      { keys: ["c"], shown: "C", what: "wide view and back", run: () => loaded && widen(viewers.current[0], loaded) },
      { keys: ["+", "="], shown: "+", what: "zoom in", run: () => zoom(1 / 1.5) },
      { keys: ["-"], shown: "−", what: "zoom out", run: () => zoom(1.5) },
      { keys: ["]"], shown: "]", what: "brighter", run: () => change({ brightness: Math.min(look().brightness + 0.1, 2) }) },
      { keys: ["["], shown: "[", what: "darker", run: () => change({ brightness: Math.max(look().brightness - 0.1, 0.4) }) },
      { keys: ["}"], shown: "}", what: "more contrast", run: () => change({ contrast: Math.min(look().contrast + 0.1, 2.5) }) },
      { keys: ["{"], shown: "{", what: "less contrast", run: () => change({ contrast: Math.max(look().contrast - 0.1, 0.4) }) },
      { keys: ["\\"], shown: "\\", what: "light as it was", run: () => change({ brightness: 1, contrast: 1 }) },
    ],
  };
  return [verdicts, details, moving, images];
}

function editing(desk: Desk, editor: Editor, setEditor: SetEditor): Group {
  return {
    title: "Boundary",
    bindings: [
      { keys: ["Enter"], shown: "Enter", what: "keep", run: () => keep(desk, editor, setEditor) },
      { keys: ["Escape"], shown: "Esc", what: "leave it as it was", run: () => cancel(editor, setEditor) },
      { keys: ["u", "Ctrl+z"], shown: "U", what: "one step back", run: () => editor.undo() },
      { keys: ["c"], shown: "C", what: "move, add, delete corners", run: () => editor.use("corners") },
      { keys: ["r"], shown: "R", what: "draw anew", run: () => editor.use("redraw") },
      { keys: ["x"], shown: "X", what: "cut along a line", run: () => editor.use("split") },
      { keys: ["m"], shown: "M", what: "unite with a neighbour", run: () => editor.use("merge") },
      { keys: ["s"], shown: "S", what: "fewer corners", run: () => void editor.ask("simplify") },
      { keys: ["f"], shown: "F", what: "repair crossings", run: () => void editor.ask("repair") },
      { keys: ["d"], shown: "D", what: "draw the headwall", run: () => editor.use("headwall") },
    ],
  };
}

function widen(viewer: Viewer, loaded: Loaded): void {
  const { bounds, context } = loaded.data.meta;
  const [west, , east] = viewer.map.getView().calculateExtent(viewer.map.getSize());
  const wide = east - west > (context.bounds[2] - context.bounds[0]) * 0.9;
  fit(viewer, wide ? bounds : context.bounds);
}

const after = (groups: string[], now: string | null): string | null => [...groups, null][(groups.indexOf(now ?? "") + 1) % (groups.length + 1)];
