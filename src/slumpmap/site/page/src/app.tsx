// Which page is shown, by the address: #/iterations is a page, #ID a slump on the map.
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Explorer } from "./explorer";
import { linkOf } from "./format";
import type { Inventory } from "./inventory";
import { Analysis, Cost, Downloads, Iterations, Overview, Provenance } from "./pages";

const PAGES = [
  ["overview", "Overview"],
  ["map", "Map"],
  ["iterations", "Iterations"],
  ["results", "Results"],
  ["cost", "Cost"],
  ["provenance", "Provenance"],
  ["downloads", "Downloads"],
] as const;
type Name = (typeof PAGES)[number][0];

interface Place {
  page: Name;
  id: string | null;
}

function placeOf(hash: string): Place {
  const text = hash.replace(/^#/, "");
  if (!text) return { page: "overview", id: null };
  if (text.startsWith("/")) return { page: PAGES.find(([name]) => name === text.slice(1))?.[0] ?? "overview", id: null };
  try {
    return { page: "map", id: decodeURIComponent(text) };
  } catch {
    return { page: "map", id: text };
  }
}

export function App({ inventory }: { inventory: Inventory }): VNode {
  const { data } = inventory;
  const [place, setPlace] = useState(placeOf(location.hash));
  // The map is kept once it was seen: its place and its filters stay.
  const [mapSeen, setMapSeen] = useState(place.page === "map");
  useEffect(() => {
    const onHash = (): void => setPlace(placeOf(location.hash));
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, []);
  useEffect(() => {
    if (place.page === "map") setMapSeen(true);
    else document.querySelector("main")?.scrollTo(0, 0);
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    const page = PAGES.find(([name]) => name === place.page)?.[1];
    document.title = `${data.campaign}${data.synthetic ? " (synthetic)" : ""}: ${place.id ?? page}`;
  }, [place]);
  const select = (row: number | null): void => {
    history.replaceState(null, "", row === null ? "#/map" : linkOf(inventory.id(row)));
    setPlace(placeOf(location.hash));
  };
  const selected = place.id === null ? null : inventory.find(place.id);
  const onMap = place.page === "map";
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.querySelector<HTMLElement>("main")?.focus())}>
        To the content
      </a>
      <header class="bar">
        <a class="brand" href="#/overview">
          <b>{data.campaign}</b>
          {data.synthetic ? <em>synthetic</em> : null}
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([name, label]) => (
            <a key={name} href={`#/${name}`} aria-current={place.page === name ? "page" : undefined} data-test={`nav-${name}`}>
              {label}
            </a>
          ))}
        </nav>
      </header>
      <main id="main" tabIndex={-1} class={onMap ? "fills" : ""}>
        {mapSeen || onMap ? (
          <div class="keeps" hidden={!onMap}>
            <Explorer inventory={inventory} selected={selected} unknown={place.id !== null && selected === null ? place.id : null} onSelect={select} />
          </div>
        ) : null}
        {place.page === "overview" ? <Overview inventory={inventory} /> : null}
        {place.page === "iterations" ? <Iterations data={data} /> : null}
        {place.page === "results" ? <Analysis data={data} /> : null}
        {place.page === "cost" ? <Cost data={data} /> : null}
        {place.page === "provenance" ? <Provenance data={data} /> : null}
        {place.page === "downloads" ? <Downloads data={data} /> : null}
      </main>
    </>
  );
}
