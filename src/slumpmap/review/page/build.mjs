// Bundles the page into ../static. The banner carries a hash of what it was made from, which
// tests/review/test_page_bundle.py compares, so that a bundle older than its sources is noticed without npm.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = "../static";
const sources = ["build.mjs", "index.html", "package-lock.json", ...readdirSync("src").sort().map((name) => `src/${name}`)];
const hash = createHash("sha256");
for (const name of sources) hash.update(`${name}\n`).update(readFileSync(name));
const banner = `/* made by build.mjs from sources ${hash.digest("hex")} */`;

const { metafile } = await build({
  entryPoints: { app: "src/main.tsx" },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  banner: { js: banner, css: banner },
  metafile: true,
});
writeFileSync(`${out}/index.html`, readFileSync("index.html"));
writeFileSync(`${out}/THIRD_PARTY.txt`, licences());

// The licence texts of the packages whose files are in the bundle.
function licences() {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
  const files = Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs));
  const folders = files.map((file) => /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).filter(Boolean);
  const parts = ["The review page contains these packages.\n"];
  for (const folder of [...new Set(folders)].sort()) {
    const { version, license } = lock.packages[folder];
    const text = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
    if (!text) throw new Error(`${folder} ships no licence text`);
    const body = readFileSync(`${folder}/${text}`, "utf8").trim();
    parts.push(`${folder.replace("node_modules/", "")} ${version} (${license})\n\n${body}\n`);
  }
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}
