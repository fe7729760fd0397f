// Bundles the page into ../static.
import { bundle } from "./bundle.mjs";

await bundle({ page: import.meta.dirname, out: "../static", entry: "src/main.tsx", what: "The review page" });
