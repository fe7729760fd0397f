// Bundles the site's page into ../static, with the review page's tool chain and pins.
import { bundle } from "../../review/page/bundle.mjs";

await bundle({ page: import.meta.dirname, out: "../static", entry: "src/main.tsx", what: "The report" });
