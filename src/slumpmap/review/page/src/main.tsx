// The page starts: who reviews what, then the first candidate.
import { render } from "preact";
import "ol/ol.css";
import "./app.css";
import { api } from "./api";
import { App } from "./app";
import { Desk } from "./desk";

async function start(root: HTMLElement): Promise<void> {
  const [campaign, { items, left }] = await Promise.all([api.campaign(), api.items()]);
  document.title = `${campaign.campaign} ${campaign.iteration}: ${campaign.reviewer}`;
  const desk = new Desk(campaign, items, left);
  await desk.enter(false);
  render(<App desk={desk} />, root);
  await desk.start();
}

const root = document.getElementById("page") as HTMLElement;
start(root).catch((error: Error) => {
  root.textContent = `The review cannot start: ${error.message}`;
});
