// Bundles a page with the packages that this folder pins. The banner carries a hash of what the bundle was made from,
// which a test compares, so that a bundle older than its sources is noticed without npm.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { build } from "esbuild";

const packages = import.meta.dirname;

// page: folder of index.html and src; out: folder of the bundle, from there; entry: first module; what: the page's name.
export async function bundle({ page, out, entry, what }) {
  const target = join(page, out);
  const shared = ["bundle.mjs", "package-lock.json"].map((name) => [name, join(packages, name)]);
  const own = ["build.mjs", "index.html", ...readdirSync(join(page, "src")).sort().map((name) => `src/${name}`)];
  const hash = createHash("sha256");
  for (const [name, path] of [...shared, ...own.map((name) => [name, join(page, name)])]) hash.update(`${name}\n`).update(readFileSync(path));
  const banner = `/* made by build.mjs from sources ${hash.digest("hex")} */`;
  const { metafile } = await build({
    absWorkingDir: page,
    nodePaths: [join(packages, "node_modules")],
    entryPoints: { app: entry },
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
  writeFileSync(join(target, "index.html"), readFileSync(join(page, "index.html")));
  writeFileSync(join(target, "THIRD_PARTY.txt"), licences(page, metafile, what));
}

// The licence texts of the packages whose files are in the bundle.
function licences(page, metafile, what) {
  const lock = JSON.parse(readFileSync(join(packages, "package-lock.json"), "utf8"));
  const files = Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs));
  const homes = files.map((file) => relative(packages, join(page, file))).map((file) => /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]);
  const parts = [`${what} contains these packages.\n`];
  for (const home of [...new Set(homes.filter(Boolean))].sort()) {
    const { version, license } = lock.packages[home];
    const folder = join(packages, home);
    const text = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name));
    if (!text) throw new Error(`${home} ships no licence text`);
    const body = readFileSync(join(folder, text), "utf8").trim();
    parts.push(`${home.replace("node_modules/", "")} ${version} (${license})\n\n${body}\n`);
  }
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}
