// Markdown as elements: headings, paragraphs, lists, tables, quotes, code, emphasis, links and pictures. Everything else,
// HTML above all, stays the text that it is.
import type { ComponentChildren, VNode } from "preact";
import type { Figure } from "./types";
import { address } from "./format";

const INLINE = /(`[^`]+`)|(!?)\[([^\]]*)\]\(([^)\s]+)\)|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|(?<![\w])_([^_\s][^_]*)_(?![\w])|\\([\\`*_{}[\]()#+.!|<>-])/g;

type Pictures = Map<string, Figure>;

function inline(text: string, pictures: Pictures): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let done = 0;
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(done, match.index));
    done = match.index + match[0].length;
    const [, code, bang, label, target, bold, italic, under, escaped] = match;
    if (code) parts.push(<code>{code.slice(1, -1)}</code>);
    else if (target !== undefined) parts.push(linked(bang === "!", label, target, pictures));
    else if (bold) parts.push(<strong>{inline(bold, pictures)}</strong>);
    else if (italic || under) parts.push(<em>{inline(italic || under, pictures)}</em>);
    else parts.push(escaped);
  }
  parts.push(text.slice(done));
  return parts;
}

// Pictures only from this folder, links only to the web: a text cannot lead anywhere else.
function linked(picture: boolean, label: string, target: string, pictures: Pictures): ComponentChildren {
  if (picture) {
    const figure = pictures.get(target.split("/").pop()?.replace(/\.pdf$/, ".png") ?? "");
    return figure ? <img src={address(figure.png)} alt={label} loading="lazy" /> : label;
  }
  return /^https?:\/\//.test(target) ? (
    <a href={target} rel="noreferrer">
      {label}
    </a>
  ) : (
    label
  );
}

const cells = (line: string): string[] =>
  line
    .trim()
    .replace(/^\||(?<!\\)\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replace(/\\\|/g, "|"));
const isRule = (line: string | undefined): boolean => /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(line ?? "") && (line ?? "").includes("-");

export function Markdown({ text, figures = [] }: { text: string; figures?: Figure[] }): VNode {
  const pictures: Pictures = new Map(figures.map((figure) => [figure.name, figure]));
  const lines = text.replace(/\r/g, "").split("\n");
  const blocks: ComponentChildren[] = [];
  let at = 0;
  const take = (wanted: (line: string) => boolean): string[] => {
    const from = at;
    while (at < lines.length && wanted(lines[at])) at++;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at];
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    if (!line.trim()) at++;
    else if (heading) {
      at++;
      // Below the page's own headings.
      const Level = `h${Math.min(heading[1].length + 2, 6)}` as "h3";
      blocks.push(<Level>{inline(heading[2], pictures)}</Level>);
    } else if (line.startsWith("```")) {
      at++;
      const code = take((one) => !one.startsWith("```"));
      at++;
      blocks.push(<pre>{code.join("\n")}</pre>);
    } else if (line.includes("|") && isRule(lines[at + 1]) && lines[at + 1].includes("|")) {
      const right = cells(lines[at + 1]).map((cell) => cell.endsWith(":"));
      const [head, , ...body] = take((one) => one.includes("|"));
      blocks.push(<MarkdownTable head={cells(head)} body={body.map(cells)} right={right} pictures={pictures} />);
    } else if (/^\s*([-*+]|\d+[.)])\s+/.test(line)) {
      const items: string[] = [];
      const numbered = /^\s*\d/.test(line);
      for (const one of take((next) => /^\s*([-*+]|\d+[.)])\s+/.test(next) || /^\s{2,}\S/.test(next))) {
        const item = /^\s*(?:[-*+]|\d+[.)])\s+(.*)$/.exec(one);
        if (item) items.push(item[1]);
        else items[items.length - 1] += ` ${one.trim()}`;
      }
      const List = numbered ? "ol" : "ul";
      blocks.push(<List>{items.map((item) => <li>{inline(item, pictures)}</li>)}</List>);
    } else if (/^>\s?/.test(line)) {
      const quote = take((one) => /^>\s?/.test(one)).map((one) => one.replace(/^>\s?/, ""));
      blocks.push(<blockquote>{inline(quote.join(" "), pictures)}</blockquote>);
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      at++;
      blocks.push(<hr />);
    } else {
      const first = at++;
      take((one) => Boolean(one.trim()) && !/^(#{1,6}\s|```|>|\s*([-*+]|\d+[.)])\s)/.test(one) && !one.includes("|"));
      blocks.push(<p>{inline(lines.slice(first, at).join(" "), pictures)}</p>);
    }
  }
  return <div class="prose">{blocks}</div>;
}

function MarkdownTable({ head, body, right, pictures }: { head: string[]; body: string[][]; right: boolean[]; pictures: Pictures }): VNode {
  const side = (at: number): string => (right[at] ? "right" : "");
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>{head.map((cell, at) => <th class={side(at)}>{inline(cell, pictures)}</th>)}</tr>
        </thead>
        <tbody>
          {body.map((row) => (
            <tr>{row.map((cell, at) => <td class={side(at)}>{inline(cell, pictures)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
