// The page: views on the left, what is thought of the candidate on the right, dates below.
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { FILTERS, type Desk, type Filter } from "./desk";
import { Editor, type Tool } from "./editor";
import { listen, type Group } from "./keys";
import { EditPanel, Panel } from "./panels";
import { Dialog, Help, Message, Strip, TopBar } from "./parts";
import type { Loaded } from "./pictures";
import { asGeometry, COLOURS, sharedView, Viewer, type Ground } from "./viewer";

const PLAY_MS = 700;
const BLINK_MS = 350;
// Largest part of the view's shorter side that a candidate takes up.
const CANDIDATE_SHARE = 0.75;
// Of the wide image, where another date than its own is looked at.
const SURROUND = 0.35;

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
      setEditor((open) => (open?.close(), (desk.engaged = false), null));
      const { frames, mapping_frame } = data.meta;
      const other = Math.max(frames.findIndex(({ state }, number) => number !== mapping_frame && state !== "missing" && state !== "cloudy"), 0);
      setLook((before) => ({ ...before, frame: mapping_frame, other, relief: false, playing: "no" }));
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
    fit(viewers.current[0], loaded);
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
          {loaded && <Legend desk={desk} loaded={loaded} look={look} editing={editor !== null} />}
        </div>
        <div class="view second" ref={right}>
          {loaded && <Badge loaded={loaded} number={look.other} relief={false} test="frame-other" />}
        </div>
        {!loaded && desk.rows.size === 0 && <p class="empty">There is nothing to inspect in this iteration.</p>}
      </section>
      {loaded && <Strip loaded={loaded} look={look} change={change} />}
      <aside>
        {editor ? (
          <EditPanel editor={editor} mmu={desk.campaign.mmu_ha} keep={() => keep(desk, editor, setEditor)} cancel={() => cancel(desk, editor, setEditor)} />
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
  const there = relief ? loaded.relief : loaded.frames[number];
  const words = there ? { ok: "", partly: "partly seen", cloudy: "cloud", missing: "no image" }[frame.state] : "the picture could not be loaded";
  const days = frame.dates.filter((day) => day !== frame.date).join(", ");
  return (
    <div class="badge" data-test={test}>
      <strong>{relief ? "Relief" : frame.label}</strong>
      {relief ? ` contours every ${loaded.data.meta.relief?.contour_m} m` : ` ${days}`}
      {(!relief || !there) && words && <em> {words}</em>}
    </div>
  );
}

const AROUND = { known: "known slump", candidate: "other candidate", rejected: "rejected before" };

// What the lines on the image are; only those that are there.
function Legend({ desk, loaded, look, editing }: { desk: Desk; loaded: Loaded; look: Look; editing: boolean }) {
  const { around, outline } = loaded.data.meta;
  const { opinions } = loaded.data;
  const { boundary, headwall } = desk.draft;
  const kinds = (["known", "candidate", "rejected"] as const).filter((kind) => look.around && around.some((place) => place.kind === kind));
  const own = boundary ? "boundary, drawn" : "candidate";
  return (
    <ul class="legend" data-test="legend">
      {look.outline && outline && (opinions.length === 0 || boundary) && <Line kind="outline" colour={COLOURS.outline} words={own} />}
      {look.outline && !boundary && opinions.map(({ reviewer }, number) => <Line key={reviewer} kind="outline" colour={COLOURS.opinions[number]} words={reviewer} />)}
      {(headwall || editing) && look.outline && <Line kind="outline" colour={COLOURS.headwall} words="headwall" />}
      {kinds.map((kind) => (
        <Line key={kind} kind={kind} words={AROUND[kind]} />
      ))}
    </ul>
  );
}

function Line({ kind, words, colour }: { kind: string; words: string; colour?: string }) {
  return (
    <li>
      <svg class={kind} viewBox="0 0 24 6" aria-hidden="true">
        <line x1="0" y1="3" x2="24" y2="3" stroke={colour} />
      </svg>
      {words}
    </li>
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

// The chip fills the view, as large as it gets without cutting the candidate.
function fit(viewer: Viewer, { data: { meta } }: Loaded): void {
  viewer.map.updateSize();
  const [width, height] = viewer.map.getSize() as [number, number];
  const [west, south, east, north] = meta.bounds;
  const extent = asGeometry(meta.outline).getExtent();
  const candidate = Math.max(extent[2] - extent[0], extent[3] - extent[1]);
  const view = viewer.map.getView();
  view.setCenter([(west + east) / 2, (south + north) / 2]);
  view.setResolution(Math.max((east - west) / Math.max(width, height), candidate / (CANDIDATE_SHARE * Math.min(width, height))));
}

// What a reviewer waits for: the time from the key, as the keyboard tells it, to the picture on the screen.
let pressed = 0;
addEventListener("keydown", (event) => (pressed = event.timeStamp), true);
addEventListener("pointerdown", (event) => (pressed = event.timeStamp), true);

function mark(viewer: Viewer, first: boolean): void {
  viewer.painted(() => {
    if (first) performance.mark("page-up");
    else performance.measure("next-candidate", { start: pressed, end: performance.now() });
  });
}

function paint(viewers: Viewer[], loaded: Loaded, look: Look, desk: Desk, editor: Editor | null): void {
  const { meta } = loaded.data;
  // The wide image is of the mapping year: beside another date it must not be taken for that date.
  const wide = (opacity: number): Ground[] => (loaded.context ? [{ bounds: meta.context.bounds, picture: loaded.context, opacity }] : []);
  const chip = (picture: ImageBitmap | null, number: number | null): Ground[] =>
    picture ? [...wide(number === meta.mapping_frame ? 1 : SURROUND), { bounds: meta.bounds, picture, opacity: 1 }] : [];
  viewers[0].show(look.relief ? chip(loaded.relief, null) : chip(loaded.frames[look.frame], look.frame));
  viewers[1].show(chip(loaded.frames[look.other], look.other));
  const boundary = desk.draft.boundary ?? meta.outline;
  const opinions = loaded.data.opinions.map((opinion, number) => ({
    kind: "outline" as const,
    geometry: opinion.decision.boundary ?? meta.outline,
    colour: COLOURS.opinions[number],
  }));
  const own = opinions.length && !desk.draft.boundary ? opinions : [{ kind: "outline" as const, geometry: boundary }];
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
    const turns = look.playing === "play" ? shown : [look.other, mapping_frame];
    const timer = setInterval(
      () => change({ frame: turns[(turns.indexOf(look.frame) + 1) % turns.length], relief: false }),
      look.playing === "play" ? PLAY_MS : BLINK_MS,
    );
    return () => clearInterval(timer);
  }, [look.playing, look.frame, look.other, loaded]);
}

type SetEditor = (editor: Editor | null) => void;

function startEditing(desk: Desk, viewers: { current: Viewer[] }, setEditor: SetEditor, tool: Tool = "corners"): void {
  if (!desk.current || desk.readOnly) return;
  const { item, meta } = desk.current.data;
  const { boundary, headwall } = desk.draft;
  const neighbours = meta.around.filter(({ kind }) => kind !== "rejected");
  const place = { outline: meta.outline, resolution: meta.resolution, neighbours };
  let opened: Editor | null = null;
  opened = new Editor(viewers.current[0], item, place, { boundary, headwall }, () => opened && (setEditor(opened), desk.tell()));
  desk.engaged = true;
  setEditor(opened);
  opened.use(tool);
}

function keep(desk: Desk, editor: Editor, setEditor: SetEditor): void {
  if (editor.fault) {
    desk.say("error", `The boundary cannot be kept: ${editor.fault}. Move the corner, or repair it.`);
    return;
  }
  const { drawn } = editor;
  const { boundary, headwall, verdict } = desk.draft;
  if (verdict === "reject" && drawn.headwall) {
    desk.say("error", "A rejected place has no headwall: delete the line, or call it a slump first.");
    return;
  }
  // Another window has taken over: the drawing stays until this one takes over again.
  if (desk.readOnly) return;
  leave(desk, editor, setEditor);
  if (drawn.boundary === boundary && drawn.headwall === headwall) return;
  desk.edit(drawn);
}

function cancel(desk: Desk, editor: Editor, setEditor: SetEditor): void {
  if (!editor.escape()) leave(desk, editor, setEditor);
}

function leave(desk: Desk, editor: Editor, setEditor: SetEditor): void {
  editor.close();
  desk.engaged = false;
  desk.message = null;
  setEditor(null);
}

// The keys of a dialog; Escape closes it by itself.
const closing = (close: () => void): Group => ({ title: "Dialog", bindings: [{ keys: ["?"], shown: "?", what: "close", run: close }] });

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
  const { campaign } = desk;
  const count = loaded?.data.meta.frames.length ?? 1;
  const turn = (by: number) => change({ frame: (look().frame + by + count) % count, relief: false, playing: "no" });
  const turnOther = (by: number) => change({ other: (look().other + by + count) % count });
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
      { keys: ["y"], shown: "Y", what: "confirm the initiation that was measured", run: () => desk.confirmInitiation() },
      { keys: ["n"], shown: "N", what: "use as negative, if rejected", run: () => desk.edit({ use_as_negative: !desk.draft.use_as_negative }) },
      { keys: ["/"], shown: "/", what: "write a note", run: () => document.querySelector<HTMLElement>("[data-test=note]")?.focus() },
      { keys: ["g"], shown: "G", what: "edit the boundary", run: () => startEditing(desk, viewers, setEditor) },
      { keys: ["d"], shown: "D", what: "draw the headwall", run: () => startEditing(desk, viewers, setEditor, "headwall") },
    ],
  };
  const moving: Group = {
    title: "Moving",
    bindings: [
      { keys: ["ArrowDown", "PageDown"], shown: "↓", what: "next candidate", repeats: true, run: () => void desk.step(1) },
      { keys: ["ArrowUp", "PageUp"], shown: "↑", what: "previous candidate", repeats: true, run: () => void desk.step(-1) },
      { keys: ["j"], shown: "J", what: "go to a number", run: () => setDialog("jump") },
      { keys: ["f"], shown: "F", what: "next filter", run: () => ((desk.filter = nextFilter()), desk.tell()) },
      { keys: ["p"], shown: "P", what: "order by place or by value", run: () => ((desk.order = desk.order === "value" ? "place" : "value"), desk.tell()) },
      { keys: ["?"], shown: "?", what: "these keys", run: () => setDialog("help") },
    ],
  };
  const images: Group = {
    title: "Images",
    bindings: [
      { keys: ["ArrowRight"], shown: "→", what: "next date", repeats: true, run: () => turn(1) },
      { keys: ["ArrowLeft"], shown: "←", what: "previous date", repeats: true, run: () => turn(-1) },
      { keys: ["Shift+ArrowRight"], shown: "⇧ →", what: "next other date", repeats: true, run: () => turnOther(1) },
      { keys: ["Shift+ArrowLeft"], shown: "⇧ ←", what: "previous other date", repeats: true, run: () => turnOther(-1) },
      { keys: ["Space"], shown: "Space", what: "play and pause", run: () => play("play") },
      { keys: ["b"], shown: "B", what: "blink between the other date and the mapping year", run: () => play("blink") },
      { keys: ["s"], shown: "S", what: "two dates side by side", run: () => change({ side: !look().side }) },
      { keys: ["v"], shown: "V", what: "relief with contours", run: () => loaded?.relief && change({ relief: !look().relief, playing: "no" }) },
      { keys: ["o"], shown: "O", what: "outline on and off", run: () => change({ outline: !look().outline }) },
      { keys: ["k"], shown: "K", what: "known slumps and neighbours", run: () => change({ around: !look().around }) },
      { keys: ["c"], shown: "C", what: "wide image and back", run: () => loaded && widen(viewers.current[0], loaded) },
      { keys: ["+", "="], shown: "+", what: "zoom in", repeats: true, run: () => zoom(1 / 1.5) },
      { keys: ["-"], shown: "−", what: "zoom out", repeats: true, run: () => zoom(1.5) },
      { keys: ["]"], shown: "]", what: "brighter", repeats: true, run: () => change({ brightness: Math.min(look().brightness + 0.1, 2) }) },
      { keys: ["["], shown: "[", what: "darker", repeats: true, run: () => change({ brightness: Math.max(look().brightness - 0.1, 0.4) }) },
      { keys: ["}"], shown: "}", what: "more contrast", repeats: true, run: () => change({ contrast: Math.min(look().contrast + 0.1, 2.5) }) },
      { keys: ["{"], shown: "{", what: "less contrast", repeats: true, run: () => change({ contrast: Math.max(look().contrast - 0.1, 0.4) }) },
      { keys: ["\\"], shown: "\\", what: "light as it was", run: () => change({ brightness: 1, contrast: 1 }) },
    ],
  };
  if (!editor) return [verdicts, details, moving, images];
  const drawing = editing(desk, editor, setEditor, () => setDialog("help"));
  const taken = drawing.flatMap((group) => group.bindings.flatMap(({ keys }) => keys));
  return [...drawing, { ...images, bindings: images.bindings.filter(({ keys }) => !keys.some((key) => taken.includes(key))) }];
}

function editing(desk: Desk, editor: Editor, setEditor: SetEditor, help: () => void): Group[] {
  const far = 5;
  const nudges = [
    ["ArrowLeft", -1, 0],
    ["ArrowRight", 1, 0],
    ["ArrowUp", 0, 1],
    ["ArrowDown", 0, -1],
  ] as const;
  return [
    {
      title: "Boundary",
      bindings: [
        { keys: ["Enter"], shown: "Enter", what: "end the line; keep the boundary", run: () => editor.enter() || keep(desk, editor, setEditor) },
        { keys: ["Escape"], shown: "Esc", what: "give up the line, the tool, the drawing", run: () => cancel(desk, editor, setEditor) },
        { keys: ["u", "Ctrl+z"], shown: "U", what: "one step back", run: () => editor.undo() },
        { keys: ["y", "Ctrl+y", "Ctrl+Z"], shown: "Y", what: "one step forward", run: () => editor.redo() },
        { keys: ["o"], shown: "O", what: "the candidate's own outline", run: () => editor.original() },
        { keys: ["s"], shown: "S", what: "fewer corners", run: () => void editor.ask("simplify") },
        { keys: ["f"], shown: "F", what: "repair crossings", run: () => void editor.ask("repair") },
      ],
    },
    {
      title: "Tools",
      bindings: [
        { keys: ["c"], shown: "C", what: "move, add, delete corners", run: () => editor.use("corners") },
        { keys: ["r"], shown: "R", what: "draw anew", run: () => editor.use("redraw") },
        { keys: ["x"], shown: "X", what: "cut along a line", run: () => editor.use("split") },
        { keys: ["k"], shown: "K", what: "drop a piece", run: () => editor.use("drop") },
        { keys: ["m"], shown: "M", what: "unite with a neighbour", run: () => editor.use("merge") },
        { keys: ["d"], shown: "D", what: "draw the headwall", run: () => editor.use("headwall") },
      ],
    },
    {
      title: "Corners, pieces and neighbours by keys",
      bindings: [
        { keys: ["n"], shown: "N", what: "the next one", repeats: true, run: () => editor.next(1) },
        { keys: ["p"], shown: "P", what: "the one before", repeats: true, run: () => editor.next(-1) },
        ...nudges.map(([key, right, up]) => ({
          keys: [key],
          shown: { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" }[key],
          what: "move the corner by a pixel; with Shift by five",
          repeats: true,
          run: () => editor.nudge(right, up),
        })),
        ...nudges.map(([key, right, up]) => ({ keys: [`Shift+${key}`], shown: "", what: "", repeats: true, run: () => editor.nudge(right * far, up * far) })),
        { keys: ["i", "Insert"], shown: "I", what: "add a corner behind it", run: () => editor.addCorner() },
        { keys: ["Delete", "Backspace"], shown: "Del", what: "delete it, or the corner under the mouse", run: () => editor.deleteCorner() },
        { keys: ["?"], shown: "?", what: "these keys", run: help },
      ],
    },
  ];
}

// The wide image as a whole, and back.
function widen(viewer: Viewer, loaded: Loaded): void {
  const view = viewer.map.getView();
  const size = viewer.map.getSize() as [number, number];
  const [west, south, east, north] = loaded.data.meta.context.bounds;
  const whole = Math.max(east - west, north - south) / Math.min(...size);
  if ((view.getResolution() as number) > whole * 0.95) {
    fit(viewer, loaded);
    return;
  }
  view.setCenter([(west + east) / 2, (south + north) / 2]);
  view.setResolution(whole);
}

const after = (groups: string[], now: string | null): string | null => [...groups, null][(groups.indexOf(now ?? "") + 1) % (groups.length + 1)];
