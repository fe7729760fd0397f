// Every key and what it does: the help is made of this table too.

export interface Binding {
  keys: string[];
  shown: string;
  what: string;
  // Whether it is done again and again while the key is held down.
  repeats?: boolean;
  run: () => void;
}
export interface Group {
  title: string;
  bindings: Binding[];
}

// A key with its modifiers, as the table writes it. Letters are small or capital by the Shift key alone, so that Caps
// Lock changes nothing; AltGr, with which some keyboards write brackets, is no modifier.
function nameOf(event: KeyboardEvent): string {
  const { key, shiftKey } = event;
  const letter = /^[a-z]$/i.test(key);
  const plain = letter ? (shiftKey ? key.toUpperCase() : key.toLowerCase()) : key === " " ? "Space" : key;
  const altGraph = event.getModifierState("AltGraph");
  const control = (event.ctrlKey || event.metaKey) && !altGraph;
  const shifted = shiftKey && key.startsWith("Arrow");
  return (control ? "Ctrl+" : "") + (shifted ? "Shift+" : "") + (event.altKey && !altGraph && /^\w$/.test(key) ? "Alt+" : "") + plain;
}

// The row of digits where it writes other signs without Shift, as on French keyboards.
const digitOf = ({ code, shiftKey, ctrlKey, metaKey, altKey }: KeyboardEvent): string =>
  shiftKey || ctrlKey || metaKey || altKey ? "" : (/^Digit(\d)$/.exec(code)?.[1] ?? "");

// Keys that an element wants for itself when it has the focus.
function wantsKey(target: HTMLElement, key: string): boolean {
  if (target.matches("input[type=range]")) return key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(key);
  return target.matches("button, input[type=checkbox], a") && (key === "Enter" || key === " ");
}

export function listen(groups: () => Group[]): void {
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const typing = target.matches("input[type=text], input[type=number], textarea, select");
    if (typing) {
      // Escape leaves a field, which keeps what was written.
      if (event.key === "Escape") target.blur();
      return;
    }
    if (wantsKey(target, event.key)) return;
    const name = nameOf(event);
    const bindings = groups().flatMap((group) => group.bindings);
    const binding = bindings.find((one) => one.keys.includes(name)) ?? bindings.find((one) => one.keys.includes(digitOf(event)));
    if (!binding) return;
    event.preventDefault();
    // A key that is held down must not judge one candidate after the other.
    if (event.repeat && !binding.repeats) return;
    binding.run();
  });
  // A click leaves the focus where it was, so that keys go on to mean what the table says. Text being written is kept.
  addEventListener("mousedown", (event) => {
    if (!(event.target as HTMLElement).closest("button, input[type=checkbox], label.check")) return;
    event.preventDefault();
    (document.activeElement as HTMLElement | null)?.blur();
  });
}
