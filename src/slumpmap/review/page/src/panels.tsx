// The panels on the right: what is known and thought of a candidate, and the tools of the boundary.
import { suggestedProbability, type Desk } from "./desk";
import type { Editor, Tool } from "./editor";
import type { Loaded } from "./pictures";
import type { Decision, Growth } from "./types";
import { COLOURS } from "./viewer";

const round = (value: number | null, digits: number, unit: string): string => (value === null ? "–" : `${value.toFixed(digits)} ${unit}`);

export function Panel({ desk, loaded, edit }: { desk: Desk; loaded: Loaded; edit: () => void }) {
  const { draft, row } = desk;
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
        <textarea
          rows={2}
          placeholder="note ( / )"
          maxLength={2000}
          value={draft.note}
          data-test="note"
          onChange={(event) => desk.edit({ note: event.currentTarget.value })}
        />
        <button type="button" onClick={edit} data-test="edit">
          Edit boundary <kbd>G</kbd>
        </button>
      </fieldset>
      {row?.verdict === "slump" && <Measured desk={desk} growth={desk.growth} />}
    </>
  );
}

function Facts({ desk, loaded }: { desk: Desk; loaded: Loaded }) {
  const { meta, score } = loaded.data;
  const shown = score ?? desk.row?.score ?? null;
  const warnings = [meta.at_edge && "at the edge of the images", meta.area_ha < desk.campaign.mmu_ha && "below the minimum unit"].filter(Boolean);
  return (
    <section class="facts">
      <h2>
        <span data-test="area">{meta.area_ha.toFixed(2)} ha</span>
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

function Measured({ desk, growth }: { desk: Desk; growth: Growth | null }) {
  if (!growth) return null;
  if (growth.unavailable)
    return (
      <section class="measured" data-test="measured">
        <h3>Measured</h3>
        <p>{growth.unavailable}</p>
      </section>
    );
  const most = Math.max(...(growth.areas ?? []).map((area) => area.area_ha ?? 0), 0.001);
  return (
    <section class="measured" data-test="measured">
      <h3>
        Measured <small>a suggestion, confidence {(growth.confidence ?? 0).toFixed(1)}</small>
      </h3>
      <ol>
        {(growth.areas ?? []).map(({ year, area_ha }) => (
          <li key={year}>
            {year}
            <meter min={0} max={most} value={area_ha ?? 0} aria-label={`area in ${year}`} />
            {round(area_ha, 2, "ha")}
          </li>
        ))}
      </ol>
      <p>
        headwall {round(growth.retreat_m_per_year ?? null, 1, "m a year")}
        {growth.initiation && (
          <button type="button" disabled={desk.readOnly || desk.draft.initiation === growth.initiation} onClick={() => desk.edit({ initiation: growth.initiation })} data-test="use-initiation">
            confirm {growth.initiation}
          </button>
        )}
      </p>
      {growth.note && <p>{growth.note}</p>}
    </section>
  );
}

const TOOLS: { tool: Tool; name: string; key: string; hint: string }[] = [
  { tool: "corners", name: "Corners", key: "C", hint: "Drag a corner; drag an edge to add one; Alt and click deletes one." },
  { tool: "redraw", name: "Draw anew", key: "R", hint: "Click the corners; a double click ends." },
  { tool: "split", name: "Cut", key: "X", hint: "Draw a line across; a double click ends." },
  { tool: "merge", name: "Unite", key: "M", hint: "Click the faint outline of a neighbour." },
  { tool: "headwall", name: "Headwall", key: "D", hint: "Hold the button and draw along the headwall." },
];

export function EditPanel({ editor, mmu, keep, cancel }: { editor: Editor; mmu: number; keep: () => void; cancel: () => void }) {
  const { facts } = editor;
  return (
    <section class="editing">
      <h2>
        <span data-test="edited-area">{facts ? `${facts.area_ha.toFixed(3)} ha` : "…"}</span>
        <small>{facts && `${facts.perimeter_m.toFixed(0)} m round`}</small>
      </h2>
      {facts && !facts.valid && (
        <p class="warning" data-test="invalid">
          Not valid: {facts.why}
        </p>
      )}
      {facts?.valid && facts.below_mmu && <p class="warning">Below the minimum unit of {mmu} ha</p>}
      {editor.message && <p class="warning">{editor.message}</p>}
      <div class="tools">
        {TOOLS.map(({ tool, name, key }) => (
          <button type="button" key={tool} class={editor.tool === tool ? "chosen" : ""} onClick={() => editor.use(tool)} data-test={`tool-${tool}`}>
            {name} <kbd>{key}</kbd>
          </button>
        ))}
        <button type="button" onClick={() => void editor.ask("simplify")}>
          Fewer corners <kbd>S</kbd>
        </button>
        <button type="button" onClick={() => void editor.ask("repair")}>
          Repair <kbd>F</kbd>
        </button>
        {editor.now.headwall && (
          <button type="button" onClick={() => editor.dropHeadwall()}>
            Delete headwall
          </button>
        )}
        <button type="button" onClick={() => editor.undo()} disabled={!editor.canUndo}>
          Step back <kbd>U</kbd>
        </button>
      </div>
      <p class="hint">{TOOLS.find((one) => one.tool === editor.tool)?.hint}</p>
      <div class="row">
        <button type="button" class="slump" onClick={keep} data-test="keep">
          Keep <kbd>Enter</kbd>
        </button>
        <button type="button" onClick={cancel} data-test="cancel">
          Leave as it was <kbd>Esc</kbd>
        </button>
      </div>
    </section>
  );
}
