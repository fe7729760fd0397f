// The report's pages beside the map.
import type { ComponentChildren, VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { AreaBars, AspectRose, ClassBars, MiniMap } from "./charts";
import { address, number, percent, size } from "./format";
import type { Inventory } from "./inventory";
import { Markdown } from "./markdown";
import type { Campaign, Figure, Study, Table } from "./types";

const STUDIES: Record<string, string> = { own: "This campaign's inventory", given: "The inventory that was brought" };

function median(values: number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return sorted.length ? (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2 : null;
}

// Where slumps are rare, of a larger area.
const density = (perKm2: number): string => (perKm2 < 0.1 ? `${number(1000 * perKm2, 1)} per 1,000 km²` : `${number(perKm2, 2)} per km²`);

function Key({ value, label, note }: { value: string; label: string; note?: string }): VNode {
  return (
    <div class="key">
      <b>{value}</b>
      <span>{label}</span>
      {note ? <small>{note}</small> : null}
    </div>
  );
}

export function Overview({ inventory }: { inventory: Inventory }): VNode {
  const { data } = inventory;
  const areas = inventory.numbers("area_ha");
  const all = [...Array(inventory.count).keys()];
  const yes = (name: string): number => inventory.counts(all, name).get("yes") ?? 0;
  const { summary } = data;
  const iterations = summary?.iterations ?? [];
  const inspected = iterations.reduce((sum, row) => sum + row.inspected, 0);
  return (
    <div class="page">
      <header class="title">
        <h1>Thaw slumps of the campaign {data.campaign}</h1>
        <p>
          {number(inventory.count)} retrogressive thaw slumps in {number(data.area_km2, data.area_km2 < 100 ? 1 : 0)} km²
          {data.maps ? `, outlined in images of ${data.mapping_year}` : ", an inventory that was brought"}
          {data.maps && data.years.length > 1 ? `, followed from ${data.years[0]} to ${data.years[data.years.length - 1]}` : ""}.
          {data.synthetic ? " All data are synthetic: a program made them, and no pixel comes from a satellite." : ""}
        </p>
      </header>
      <div class="keys" data-test="keys">
        <Key value={number(inventory.count)} label="slumps" note={density(inventory.count / data.area_km2)} />
        <Key value={`${number(inventory.area(all), 1)} ha`} label="affected" note={`${percent(inventory.area(all) / 100 / data.area_km2, 3)} of the area`} />
        <Key value={`${number(median(areas), 2)} ha`} label="median area" note={areas.length ? `${number(Math.min(...areas), 2)} to ${number(Math.max(...areas), 1)} ha` : ""} />
        {inventory.has("near_road") ? <Key value={percent(yes("near_road") / inventory.count)} label="near a road" note={`${number(yes("near_road"))} within ${number(data.near_road_m)} m`} /> : null}
        {inventory.has("near_stream") ? <Key value={percent(yes("near_stream") / inventory.count)} label="at a stream" note={`${number(yes("near_stream"))} within ${number(data.adjacent_m)} m`} /> : null}
        {iterations.length ? <Key value={number(iterations.length)} label={iterations.length === 1 ? "iteration" : "iterations"} note={`${number(inspected)} candidates inspected`} /> : null}
        {summary?.inspected_per_new != null ? <Key value={number(summary.inspected_per_new, 1)} label="inspected per new slump" /> : null}
        {summary?.recall != null && summary.precision != null ? (
          <Key value={`${number(summary.recall, 3)}`} label="recall" note={`precision ${number(summary.precision, 3)}, against the truth`} />
        ) : null}
      </div>
      <div class="overview">
        <MiniMap inventory={inventory} />
        <div class="charts">
          <AreaBars inventory={inventory} />
          <ClassBars inventory={inventory} name="probability" title="Probability" />
          <ClassBars inventory={inventory} name="initiation" title="Initiation" />
          <AspectRose inventory={inventory} />
        </div>
      </div>
      <Absent data={data} />
    </div>
  );
}

function Absent({ data }: { data: Campaign }): VNode | null {
  const lines = [...data.absent, ...data.slumps.absent.map((label) => `the attribute “${label}”, which no slump has`)];
  if (!lines.length) return null;
  return (
    <details class="absent" data-test="absent">
      <summary>Not in this report ({lines.length})</summary>
      <p>The campaign has not made these, or was given no data for them:</p>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </details>
  );
}

function Page({ title, lead, children }: { title: string; lead?: ComponentChildren; children: ComponentChildren }): VNode {
  return (
    <div class="page">
      <header class="title">
        <h1>{title}</h1>
        {lead ? <p>{lead}</p> : null}
      </header>
      {children}
    </div>
  );
}

function Nothing({ children }: { children: ComponentChildren }): VNode {
  return <p class="nothing">{children}</p>;
}

export function Figures({ figures }: { figures: Figure[] }): VNode {
  return (
    <div class="figures">
      {figures.map((figure) => (
        <figure key={figure.png} class="card">
          <a href={address(figure.png)} target="_blank">
            <img src={address(figure.png)} alt={figure.title} loading="lazy" />
          </a>
          <figcaption>
            <span>{figure.title}</span>
            {figure.pdf ? (
              <a href={address(figure.pdf)} target="_blank">
                PDF
              </a>
            ) : null}
            <a href={address(figure.png)} target="_blank">
              PNG
            </a>
          </figcaption>
        </figure>
      ))}
    </div>
  );
}

const isNumber = (text: string): boolean => text.trim() !== "" && isFinite(Number(text));

function Grid({ header, rows, test }: { header: ComponentChildren[]; rows: ComponentChildren[][]; test?: string }): VNode {
  // A column is set to the right where all of it is numbers.
  const fits = (cell: ComponentChildren): boolean => typeof cell !== "object" && (["", "–", "sum"].includes(String(cell)) || isNumber(String(cell).replace(/[, %]/g, "")));
  const right = header.map((_, at) => rows.every((row) => fits(row[at])));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table" data-test={test}>
      <table>
        <thead>
          <tr>
            {header.map((cell, at) => (
              <th key={at} class={right[at] ? "right" : ""}>
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={place}>
              {row.map((cell, at) => (
                <td key={at} class={right[at] ? "right" : ""}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Iterations({ data }: { data: Campaign }): VNode {
  const rows = data.summary?.iterations ?? [];
  const training = data.figures.filter(({ section }) => section === "training");
  const sum = (key: "inferred" | "inspected" | "new"): string => number(rows.reduce((total, row) => total + row[key], 0));
  return (
    <Page title="Iterations" lead="Each iteration trains a network on the slumps known so far, maps the area, and people inspect what is new (Table 2).">
      {rows.length ? (
        <Grid
          test="table2"
          header={["Iteration", "Positives", "Negatives", "Inferred", "To inspect", "Newly found", "Total", "Yield %", "Recall", "Precision"]}
          rows={[
            ...rows.map((row) => [
              row.state === "waiting" ? `${row.iteration} (waits for people)` : number(row.iteration),
              number(row.positives),
              number(row.negatives),
              number(row.inferred),
              number(row.inspected),
              number(row.new),
              number(row.total),
              number(row.yield_percent, 2),
              number(row.recall, 3),
              number(row.precision, 3),
            ]),
            ["sum", "", "", sum("inferred"), sum("inspected"), sum("new"), "", "", "", ""],
          ]}
        />
      ) : (
        <Nothing>There is no summary of the iterations yet.</Nothing>
      )}
      <Figures figures={data.figures.filter(({ section }) => section === "iterations")} />
      <h2>What is still missing</h2>
      {data.missing ? <Markdown text={data.missing.words.replace(/^\|.*\n/gm, "")} /> : <Nothing>It was not estimated.</Nothing>}
      <h2>Where the campaign stands</h2>
      <pre class="card">{data.status}</pre>
      <h2>Training</h2>
      {training.length ? <Figures figures={training} /> : <Nothing>There are no figures of the training.</Nothing>}
    </Page>
  );
}

export function Analysis({ data }: { data: Campaign }): VNode {
  const own = data.figures.filter(({ section }) => section === "inventory");
  return (
    <Page title="Figures and results">
      {data.analysis.map((study) => (
        <StudyPart key={study.study} study={study} several={data.analysis.length > 1} />
      ))}
      {data.analysis.length ? null : <Nothing>The analysis of the inventory was not made: there are no results in words, no figures of the landscape and no tables.</Nothing>}
      <h2>Inventory</h2>
      {own.length ? <Figures figures={own} /> : <Nothing>There are no figures of the inventory.</Nothing>}
    </Page>
  );
}

function StudyPart({ study, several }: { study: Study; several: boolean }): VNode {
  return (
    <section data-test={`study-${study.study}`}>
      {several ? <h2>{STUDIES[study.study] ?? study.study}</h2> : null}
      {study.words === null ? <Nothing>There are no results in words.</Nothing> : <Markdown text={study.words} figures={study.figures} />}
      {study.figures.length ? <Figures figures={study.figures} /> : <Nothing>There are no figures of this study.</Nothing>}
      {study.tables.map((table) => (
        <TablePart key={table.file} table={table} />
      ))}
    </section>
  );
}

function TablePart({ table }: { table: Table }): VNode {
  const [open, setOpen] = useState(false);
  return (
    <details class="card table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {table.title}
        <small>{table.rows.length ? `${number(table.rows.length + table.left_out)} rows` : "empty"}</small>
        <a href={address(table.file)} download>
          CSV
        </a>
      </summary>
      {open ? <Grid header={table.header} rows={table.rows} /> : null}
      {table.left_out ? <p class="hint">{number(table.left_out)} further rows are in the file.</p> : null}
    </details>
  );
}

const short = (hash: string | null): ComponentChildren => (hash ? <code title={hash}>{hash.slice(0, 16)}…</code> : "–");

export function Provenance({ data }: { data: Campaign }): VNode {
  const { config, inputs, models, scenes, software } = data.provenance;
  const [every, setEvery] = useState(false);
  const keys = useMemo(() => config.filter(({ changed }) => every || changed), [every]);
  const { git } = software;
  return (
    <Page title="Provenance" lead="What these results were made from, and with what.">
      <h2>Software</h2>
      <dl class="pairs">
        <dt>slumpmap</dt>
        <dd>{software.slumpmap}</dd>
        <dt>commit</dt>
        <dd>{git ? <><code>{git.commit}</code>{git.changed ? " with changes that are not committed" : ""}</> : "not run from a git checkout"}</dd>
        <dt>Python</dt>
        <dd>{software.python}</dd>
        {Object.entries(software.packages).map(([name, version]) => [<dt key={name}>{name}</dt>, <dd key={`${name} version`}>{version}</dd>])}
      </dl>
      <h2>Inputs</h2>
      <Grid
        test="inputs"
        header={["Key", "File", "Size", "SHA-256"]}
        rows={inputs.map(({ key, path, bytes, sha256 }) => [key, <code>{path}</code>, bytes === null ? "no longer there" : size(bytes), sha256 ? <code class="hash">{sha256}</code> : "–"])}
      />
      <h2>Models</h2>
      {models.length ? (
        <Grid
          header={["Iteration", "Network", "Architecture", "Encoder", "Steps", "Seed", "Weights, SHA-256", "Training set, SHA-256", "Made with"]}
          rows={models.map((model) => [
            number(model.iteration),
            model.network,
            model.architecture ?? "–",
            model.encoder ?? "–",
            number(model.steps),
            number(model.seed),
            short(model.weights),
            short(model.training_set),
            Object.entries(model.versions)
              .map(([name, version]) => `${name} ${version}`)
              .join(", "),
          ])}
        />
      ) : (
        <Nothing>No model was trained yet.</Nothing>
      )}
      <h2>Scenes</h2>
      {scenes ? (
        <>
          <p>
            {number(scenes.used.length)} scenes make the images
            {Object.entries(scenes.left_out)
              .map(([reason, count]) => `; ${number(count)} left out: ${reason || "no reason given"}`)
              .join("")}
            .
          </p>
          <details class="card table">
            <summary>The scenes used</summary>
            <Grid header={["Day", "Scene", "Cloud"]} rows={scenes.used.map(({ day, scene, cloud }) => [day, <code>{scene}</code>, percent(cloud, 1)])} />
          </details>
        </>
      ) : (
        <Nothing>There is no catalogue of scenes.</Nothing>
      )}
      <h2>Configuration</h2>
      <p>
        <label>
          <input type="checkbox" checked={every} data-test="every-key" onChange={() => setEvery(!every)} /> also the {number(config.length - config.filter(({ changed }) => changed).length)} keys that have slumpmap's defaults
        </label>
      </p>
      <Grid test="config" header={["Key", "Value"]} rows={keys.map(({ key, value, changed }) => [changed ? <b>{key}</b> : key, <code>{value}</code>])} />
    </Page>
  );
}

export function Cost({ data }: { data: Campaign }): VNode {
  const { jobs, review } = data.cost;
  const timed = review.filter(({ per_hour }) => per_hour !== null);
  const hours = timed.reduce((sum, row) => sum + (row.hours ?? 0), 0);
  const looked = timed.reduce((sum, row) => sum + row.timed, 0);
  const decided = review.reduce((sum, row) => sum + row.decided, 0);
  return (
    <Page title="Throughput and cost" lead="What the machine took, as Snakemake measured it, and what people took.">
      <div class="keys" data-test="cost">
        {jobs ? (
          <>
            <Key value={`${number(jobs.wall_min, 1)} min`} label="with jobs running" note={`${number(jobs.jobs)} jobs, ${number(jobs.jobs_min, 1)} min together`} />
            <Key value={`${number(data.area_km2 / Math.max(jobs.wall_min / 60, 1e-9))} km²/h`} label="of study area" note="all iterations" />
            <Key value={`${number(jobs.peak_gb, 2)} GB`} label="memory at most" note="sum of peaks at one time" />
            {jobs.read_gb !== null && jobs.written_gb !== null ? <Key value={`${number(jobs.read_gb + jobs.written_gb, 2)} GB`} label="read and written" note={`${number(jobs.read_gb, 2)} read, ${number(jobs.written_gb, 2)} written`} /> : null}
          </>
        ) : null}
        <Key
          value={timed.length ? number(looked / hours) : "–"}
          label="candidates per hour of review"
          note={timed.length ? `${number(hours, 2)} h for ${number(looked)} decisions` : data.simulated ? "simulated experts take no time" : "no times were recorded"}
        />
        {data.summary?.inspected_per_new != null ? <Key value={number(data.summary.inspected_per_new, 1)} label="inspected per new slump" /> : null}
      </div>
      <h2>Machine</h2>
      {jobs ? (
        <Grid
          header={["Step", "Jobs", "Minutes", "", "CPU minutes", "GB of memory, one job", "GB read", "GB written"]}
          rows={jobs.steps.map((step) => [
            step.step,
            number(step.jobs),
            number(step.minutes, 2),
            <i class="share" style={{ width: `${(100 * step.minutes) / jobs.steps[0].minutes}%` }} />,
            number(step.cpu_min, 2),
            number(step.peak_gb, 2),
            number(step.read_gb, 2),
            number(step.written_gb, 2),
          ])}
        />
      ) : (
        <Nothing>There are no measurements of the jobs.</Nothing>
      )}
      <h2>People</h2>
      {review.length ? (
        <>
          <p>
            {number(decided)} decisions{data.simulated ? " by simulated experts" : ""}.
          </p>
          <Grid
            header={["Iteration", "Reviewer", "Decided", "With time", "Hours", "Per hour"]}
            rows={review.map((row) => [number(row.iteration), row.reviewer, number(row.decided), number(row.timed), number(row.hours, 2), number(row.per_hour)])}
          />
        </>
      ) : (
        <Nothing>Nobody has decided anything yet.</Nothing>
      )}
    </Page>
  );
}

export function Downloads({ data }: { data: Campaign }): VNode {
  const tables = data.analysis.flatMap((study) => study.tables.map((table) => ({ study: study.study, ...table })));
  return (
    <Page title="Downloads" lead="The files lie in this report's folder. Send the folder as it is, or as a ZIP file: it needs no server and no network.">
      <ul class="downloads" data-test="downloads">
        {data.downloads.map(({ title, file, bytes }) => (
          <li key={file} class="card">
            <a href={address(file)} download>
              {file.split("/").pop()}
            </a>
            <span>{title}</span>
            <small>{size(bytes)}</small>
          </li>
        ))}
        {tables.map(({ study, title, file }) => (
          <li key={file} class="card">
            <a href={address(file)} download>
              {file.split("/").pop()}
            </a>
            <span>
              {title} ({STUDIES[study]?.toLowerCase() ?? study})
            </span>
          </li>
        ))}
      </ul>
      {data.downloads.length ? null : <Nothing>There is nothing to download yet.</Nothing>}
    </Page>
  );
}
