// The panels on the right: what is known and thought of a candidate, and the tools of the boundary.
import { suggestedProbability, type Desk } from "./desk";
import type { Editor, Tool } from "./editor";
import type { Loaded } from "./pictures";
import { areaOf, partsOf } from "./rings";
import type { Decision, Growth } from "./types";
import { COLOURS } from "./viewer";

// Zero has no sign: what rounds to it from below is not "-0.0".
const round = (value: number | null, digits: number, unit: string): string =>
  value === null ? "–" : `${value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1")} ${unit}`;

export function Panel({ desk, loaded, edit }: { desk: Desk; loaded: Loaded; edit: () => void }) {
  const { draft } = desk;
  return (
    <>
      <Facts desk={desk} loaded={loaded} />
      {loaded.data.opinions.length > 0 && <Opinions desk={desk} loaded={loaded} />}
      <Criteria desk={desk} />
      <Verdicts desk={desk} />
      <fieldset disabled={desk.readOnly} class="details">
        <label>
          initiation
          <select
            value={draft.initiation ?? ""}
            data-test="initiation"
            onChange={(event) => (desk.edit({ initiation: event.currentTarget.value || null }), event.currentTarget.blur())}
          >
            <option value="">not said</option>
            {desk.campaign.initiation_groups.map((group) => (
              <option key={group}>{group}</option>
            ))}
          </select>
          <kbd>I</kbd>
        </label>
        <label class="check">
          <input type="checkbox" checked={draft.use_as_negative} data-test="negative" onChange={() => desk.edit({ use_as_negative: !draft.use_as_negative })} />
          use as negative <kbd>N</kbd>
        </label>
        {/* Another note is another field: what is being written is not touched when the page is drawn anew. */}
        <textarea
          key={`${desk.item} ${draft.note}`}
          rows={1}
          placeholder="note ( / ), Esc leaves it"
          maxLength={2000}
          defaultValue={draft.note}
          data-test="note"
          onChange={(event) => desk.edit({ note: event.currentTarget.value })}
        />
        <button type="button" onClick={edit} data-test="edit">
          Edit boundary <kbd>G</kbd>
        </button>
      </fieldset>
      <Measured desk={desk} />
    </>
  );
}

function Facts({ desk, loaded }: { desk: Desk; loaded: Loaded }) {
  const { meta, score } = loaded.data;
  const { boundary } = desk.draft;
  const shown = score ?? desk.row?.score ?? null;
  const warnings = [meta.at_edge && "at the edge of the images", meta.area_ha < desk.campaign.mmu_ha && "below the minimum unit"].filter(Boolean);
  return (
    <section class="facts">
      <h2>
        <span data-test="area">{(boundary ? areaOf(partsOf(boundary)) / 10_000 : meta.area_ha).toFixed(2)} ha</span>
        {boundary && <small>drawn; candidate {meta.area_ha.toFixed(2)} ha</small>}
        {shown !== null && <small data-test="score">score {shown.toFixed(2)}</small>}
      </h2>
      <p>
        {round(meta.elevation_m, 0, "m")}, slope {round(meta.slope_deg, 1, "°")}, uphill {round(meta.uphill_deg, 0, "°")}
      </p>
      {warnings.length > 0 && <p class="warning">{warnings.join(", ")}</p>}
    </section>
  );
}

function Opinions({ desk, loaded }: { desk: Desk; loaded: Loaded }) {
  return (
    <section class="opinions" data-test="opinions">
      <h3>Opinions</h3>
      {loaded.data.opinions.map(({ reviewer, decision }, number) => (
        <button type="button" key={reviewer} onClick={() => void desk.take(decision)} disabled={desk.readOnly || decision.verdict === "unsure"} data-test="opinion">
          <i style={{ background: COLOURS.opinions[number] }} />
          <span>
            <strong>{reviewer}</strong> {inWords(desk, decision)}
          </span>
          <kbd>{`⇧${"ABC"[number]}`}</kbd>
        </button>
      ))}
    </section>
  );
}

function inWords(desk: Desk, decision: Decision): string {
  const reason = desk.campaign.reasons.find((one) => one.id === decision.reason)?.label.toLowerCase();
  const facts = [decision.verdict, decision.probability, decision.initiation, reason, decision.note && `“${decision.note}”`];
  return facts.filter(Boolean).join(", ");
}

function Criteria({ desk }: { desk: Desk }) {
  const { draft, campaign } = desk;
  return (
    <fieldset class="criteria" disabled={desk.readOnly}>
      <legend>Criteria suggest {suggestedProbability(draft.criteria)}</legend>
      {campaign.criteria.map((criterion, number) => {
        const value = draft.criteria[criterion.id] ?? null;
        const state = value === null ? "open" : value ? "yes" : "no";
        return (
          <button type="button" key={criterion.id} class={state} title={criterion.hint} aria-pressed={value === true} onClick={() => desk.toggleCriterion(criterion.id)} data-test={`criterion-${number + 1}`}>
            <b>{{ open: "", yes: "✓", no: "✗" }[state]}</b>
            {criterion.label}
            <kbd>{"QWER"[number]}</kbd>
          </button>
        );
      })}
    </fieldset>
  );
}

function Verdicts({ desk }: { desk: Desk }) {
  const { draft, campaign } = desk;
  const verdict = desk.row?.verdict ?? null;
  return (
    <fieldset class="verdicts" disabled={desk.readOnly}>
      <legend>
        Verdict: <span data-test="verdict">{verdict ?? "open"}</span>
        {verdict === "slump" && ` (${draft.probability})`}
        {verdict === "reject" && draft.reason && ` (${campaign.reasons.find((one) => one.id === draft.reason)?.label.toLowerCase()})`}
      </legend>
      <div class="row">
        {(["high", "medium", "low"] as const).map((probability) => (
          <button type="button" key={probability} class={`slump ${verdict === "slump" && draft.probability === probability ? "chosen" : ""}`} onClick={() => void desk.decide("slump", { probability })}>
            {probability} <kbd>{probability[0].toUpperCase()}</kbd>
          </button>
        ))}
      </div>
      <div class="grid">
        {campaign.reasons.map((reason, number) => (
          <button type="button" key={reason.id} class={`reject ${verdict === "reject" && draft.reason === reason.id ? "chosen" : ""}`} onClick={() => void desk.decide("reject", { reason: reason.id })}>
            {reason.label} <kbd>{number + 1}</kbd>
          </button>
        ))}
        <button type="button" class={`reject ${verdict === "reject" && !draft.reason ? "chosen" : ""}`} onClick={() => void desk.decide("reject")}>
          Reject <kbd>X</kbd>
        </button>
      </div>
      <div class="row">
        {campaign.role === "reviewer" && (
          <button type="button" class={verdict === "unsure" ? "chosen" : ""} onClick={() => void desk.decide("unsure")}>
            Unsure <kbd>0</kbd>
          </button>
        )}
        <button type="button" onClick={() => void desk.undo()} data-test="undo">
          Undo <kbd>U</kbd>
        </button>
      </div>
    </fieldset>
  );
}

function Measured({ desk }: { desk: Desk }) {
  if (!desk.measured) return null;
  const { item, growth } = desk.measured;
  const own = item === desk.item;
  return (
    <section class={`measured ${own ? "" : "earlier"}`} data-test="measured">
      <h3>
        Measured {!own && <span data-test="measured-of">of {desk.placeOf(item)}, just decided</span>}
      </h3>
      {growth.unavailable ? <p>{growth.unavailable}</p> : <Growing desk={desk} item={item} growth={growth} />}
    </section>
  );
}

function Growing({ desk, item, growth }: { desk: Desk; item: number; growth: Growth }) {
  const areas = growth.areas ?? [];
  const most = Math.max(...areas.map((area) => area.area_ha ?? 0), 0.001);
  const confirmed = desk.opinionOf(item)?.initiation ?? null;
  return (
    <>
      <ol>
        {areas.map(({ year, area_ha, share_valid }) => (
          <li key={year} title={`${Math.round(share_valid * 100)} % of the ground was seen`}>
            <span>{area_ha === null ? "–" : area_ha.toFixed(2)}</span>
            <svg viewBox="0 0 10 20" preserveAspectRatio="none" aria-hidden="true">
              <rect class={share_valid < 1 ? "partly" : ""} x="0" width="10" y={20 - (20 * (area_ha ?? 0)) / most} height={(20 * (area_ha ?? 0)) / most} />
            </svg>
            <span>{year}</span>
          </li>
        ))}
      </ol>
      <p>Areas in ha; retreat {round(growth.retreat_m_per_year ?? null, 1, "m a year")}</p>
      <p>
        Initiation <b data-test="suggested">{growth.initiation ?? "–"}</b>
        {growth.confidence !== undefined && `, confidence ${growth.confidence.toFixed(2)}`}
      </p>
      <p class="confirmed">
        <span>
          Confirmed: <b data-test="confirmed">{confirmed ?? "not yet"}</b>
        </span>
        {growth.initiation && confirmed !== growth.initiation && (
          <button type="button" disabled={desk.readOnly} onClick={() => desk.confirmInitiation()} data-test="use-initiation">
            Confirm <kbd>Y</kbd>
          </button>
        )}
      </p>
    </>
  );
}

const TOOLS: { tool: Tool; name: string; key: string; hint: string }[] = [
  { tool: "corners", name: "Corners", key: "C", hint: "Drag a corner; drag an edge to add one; Del deletes the one under the mouse. By keys: N chooses, arrows move." },
  { tool: "redraw", name: "Draw anew", key: "R", hint: "Click the corners, Enter ends. With Shift: draw freehand." },
  { tool: "split", name: "Cut", key: "X", hint: "Draw a line across the boundary, Enter ends. With Shift: freehand." },
  { tool: "drop", name: "Drop a piece", key: "K", hint: "Click the piece that does not belong to it; or N and Enter." },
  { tool: "merge", name: "Unite", key: "M", hint: "Click the outline of a neighbour; or N and Enter." },
  { tool: "headwall", name: "Headwall", key: "D", hint: "Hold the button and draw along the headwall. With Shift: click the points, Enter ends." },
];

export function EditPanel({ editor, mmu, keep, cancel }: { editor: Editor; mmu: number; keep: () => void; cancel: () => void }) {
  const { area, fault, pieces } = editor;
  return (
    <section class="editing">
      <h2>
        <span data-test="edited-area">{area.toFixed(3)} ha</span>
        <small>{pieces > 1 ? `${pieces} pieces, each a slump` : "boundary"}</small>
      </h2>
      <p class="state">
        {fault ? (
          <span class="warning" data-test="invalid">
            Not valid: {fault}
          </span>
        ) : area < mmu ? (
          <span class="warning" data-test="below-mmu">
            Below the minimum unit of {mmu} ha
          </span>
        ) : (
          <span>Valid, above the minimum unit of {mmu} ha</span>
        )}
      </p>
      {editor.message && (
        <p class="warning" role="alert" data-test="edit-message">
          {editor.message}
        </p>
      )}
      <div class="tools">
        {TOOLS.map(({ tool, name, key }) => (
          <button type="button" key={tool} class={editor.tool === tool ? "chosen" : ""} aria-pressed={editor.tool === tool} onClick={() => editor.use(tool)} disabled={tool === "drop" && pieces < 2} data-test={`tool-${tool}`}>
            {name} <kbd>{key}</kbd>
          </button>
        ))}
      </div>
      <p class="hint" data-test="hint">
        {TOOLS.find((one) => one.tool === editor.tool)?.hint}
      </p>
      <div class="tools">
        <button type="button" onClick={() => editor.undo()} disabled={!editor.canUndo} data-test="step-back">
          Step back <kbd>U</kbd>
        </button>
        <button type="button" onClick={() => editor.redo()} disabled={!editor.canRedo} data-test="step-forward">
          Forward <kbd>Y</kbd>
        </button>
        <button type="button" onClick={() => void editor.ask("simplify")}>
          Fewer corners <kbd>S</kbd>
        </button>
        <button type="button" onClick={() => void editor.ask("repair")} disabled={!fault}>
          Repair <kbd>F</kbd>
        </button>
        <button type="button" onClick={() => editor.original()}>
          Original <kbd>O</kbd>
        </button>
        <button type="button" onClick={() => editor.dropHeadwall()} disabled={!editor.hasHeadwall} data-test="drop-headwall">
          No headwall
        </button>
      </div>
      <div class="row">
        <button type="button" class="slump" onClick={keep} data-test="keep">
          Keep <kbd>Enter</kbd>
        </button>
        <button type="button" onClick={cancel} data-test="cancel">
          Give up <kbd>Esc</kbd>
        </button>
      </div>
    </section>
  );
}
