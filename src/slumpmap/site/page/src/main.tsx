// The page starts from what site/data.js has set.
import { render } from "preact";
import "ol/ol.css";
import "./app.css";
import { App } from "./app";
import { Inventory } from "./inventory";

const root = document.getElementById("page") as HTMLElement;
if (window.slumpmap) {
  root.textContent = "";
  render(<App inventory={new Inventory(window.slumpmap)} />, root);
} else {
  root.textContent = "The data of this report are missing: site/data.js must lie in the folder of this page.";
}
